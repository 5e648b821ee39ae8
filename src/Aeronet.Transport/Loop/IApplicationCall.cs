using System;

namespace Aeronet.Transport.Loop;

/// <summary>Application code that a protocol wants to run on its loop's thread: scheduled from a handler, run from the loop's top-level frame once the handler has returned.</summary>
/// <remarks>
/// Nothing of the loop or of a protocol is on the stack below <see cref="Run"/>, so another thread can take the loop over at any moment of it:
/// <code>
///   Schedule ==&gt; Run ==== the thread still has the role ====&gt; OnReturned
///                 |
///                 +== taken over meanwhile ==&gt; OnTakenOver (new loop thread)   ... later, old thread: OnReturnedElsewhere
/// </code>
/// None of the methods may throw; what escapes all the same ends in <see cref="OnFailed"/>.
/// </remarks>
internal interface IApplicationCall
{
    /// <summary>Runs application code. <see cref="LoopContext.IsCurrent"/> is false inside: what the application calls uses the ways that any thread may use.</summary>
    void Run();

    /// <summary>Run has returned, and this thread still is the loop.</summary>
    void OnReturned();

    /// <summary>Run has returned, but another thread is the loop by now: finish as any foreign thread would.</summary>
    void OnReturnedElsewhere();

    /// <summary>This thread has just become the loop because <see cref="Run"/> did not return. It may return at any moment, on its own thread.</summary>
    void OnTakenOver();

    /// <summary>A fault of our own: the connection must end. Any thread.</summary>
    void OnFailed(Exception exception);
}
