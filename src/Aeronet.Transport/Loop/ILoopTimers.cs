namespace Aeronet.Transport.Loop;

/// <summary>The wheel of a loop, for entries other than connections. Loop thread only.</summary>
internal interface ILoopTimers
{
    long NowMs { get; }

    void SetDeadline(ITimed timed, long deadlineMs);

    void Cancel(ITimed timed);
}
