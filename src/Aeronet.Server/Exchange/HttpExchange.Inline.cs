using System;
using System.Diagnostics;
using System.Threading.Tasks;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Server.Exchange;

// The exchange while its application runs on the loop's thread, and the ways off that thread.
internal abstract partial class HttpExchange
{
    private bool _isInline; // the application was started on the loop's thread and has neither returned nor left it of its own accord
    private EndpointLoad? _load; // Non-null exactly while the synchronous part of an inline request runs: whose cost it is at present.
    private long _movedAt; // timestamp of leaving the loop because _load is slow; 0: has not
    private readonly WeakReference<Endpoint?> _lastEndpoint = new(null); // of whichever request came last: requests of a loop go to few endpoints; weak: dynamic ones come and go
    private EndpointLoad? _lastLoad; // of _lastEndpoint

    /// <summary>The application's run while it was started on the loop's thread.</summary>
    public Task? Running { get; set; }

    /// <summary>Requests and bytes that this turn of the loop may still take from the connection.</summary>
    public (int Requests, long Bytes) TurnLeft { get; set; }

    /// <summary>The response may wait for the end of the loop's turn. The application's thread.</summary>
    public bool IsInline => _isInline;

    public void BeginInline()
    {
        Debug.Assert(!_isInline);
        _isInline = true;
        Output.Reserve();
    }

    /// <summary>The synchronous part begins, on the loop's thread.</summary>
    public void EnterInline()
    {
        Charge(Settings.EndpointLoads.Unrouted);
        AtHandOffPoint();
    }

    /// <summary>The synchronous part has returned, here or elsewhere.</summary>
    public void EndInline()
    {
        _isInline = false;
        EndCharge();
        _load = null;
    }

    /// <summary>The loop goes on with another thread, because the application does not return. New loop thread.</summary>
    public void OnTakenOver()
    {
        Output.StopDeferring(); // the application may have flushed before it began to wait
        if (_movedAt == 0)
        {
            _load?.OnHandedOff();
        }
    }

    /// <summary>The application is about to wait on this thread: the loop need not notice it first. The application's thread.</summary>
    public void LeaveLoop(HandOffCause cause)
    {
        if (_isInline && Session.Connection.Loop.TryHandOff(cause))
        {
            _isInline = false;
            Output.StopDeferring();
        }
    }

    /// <summary>A point at which tests let the loop go on with another thread.</summary>
    public void AtHandOffPoint()
    {
        if (Settings.HandOffProbe is { } probe && _isInline && probe())
        {
            LeaveLoop(HandOffCause.Endpoint);
        }
    }

    // Routing has found the endpoint.
    private void OnEndpoint(Endpoint endpoint)
    {
        if (!_lastEndpoint.TryGetTarget(out Endpoint? last) || !ReferenceEquals(endpoint, last))
        {
            _lastLoad = Settings.EndpointLoads.Of(endpoint);
            _lastEndpoint.SetTarget(endpoint);
        }

        Debug.Assert(_lastLoad is not null);
        if (!ReferenceEquals(_lastLoad, _load))
        {
            EndCharge();
            Charge(_lastLoad);
        }

        AtHandOffPoint();
    }

    // From here on the thread's time is the load's.
    private void Charge(EndpointLoad load)
    {
        _load = load;
        load.OnCall();
        if (load.RunsElsewhere)
        {
            LeaveLoop(HandOffCause.Endpoint);
            if (!_isInline)
            {
                _movedAt = Stopwatch.GetTimestamp();
            }
        }
    }

    private void EndCharge()
    {
        if (_movedAt != 0)
        {
            _load?.OnReturned(Stopwatch.GetElapsedTime(_movedAt));
            _movedAt = 0;
        }
    }
}
