using System;
using System.Collections.Generic;
using Aeronet.Transport.Loop;

namespace Aeronet.TestSupport.Kernel;

/// <summary>Application code that does what the test says, and what became of it.</summary>
internal sealed class RecordingCall(Action run) : IApplicationCall
{
    /// <summary>Names of the calls so far, in order.</summary>
    public List<string> Calls { get; } = [];

    public Exception? Failure { get; private set; }

    public Action? WhenReturned { get; set; }

    public void Run() => run();

    public void OnReturned()
    {
        Calls.Add("Returned");
        WhenReturned?.Invoke();
    }

    public void OnReturnedElsewhere() => Calls.Add("ReturnedElsewhere");

    public void OnTakenOver() => Calls.Add("TakenOver");

    public void OnFailed(Exception exception)
    {
        Calls.Add("Failed");
        Failure = exception;
    }
}
