using System.Diagnostics;

namespace Aeronet.Native.OpenSsl;

/// <summary>What one call into libssl came to.</summary>
internal enum SslStep
{
    Done,

    /// <summary>More bytes of the peer are needed.</summary>
    WantRead,

    /// <summary>The descriptor is full; only when OpenSSL writes to it by itself.</summary>
    WantWrite,

    /// <summary>The peer has ended the stream: close_notify, or the end of the connection without it.</summary>
    Closed,

    /// <summary>Nothing more can be done with this session; the alert, if any, has been written.</summary>
    Failed,
}

/// <summary>Outcome of one call: the step, the bytes moved, and OpenSSL's error code when it failed.</summary>
internal readonly struct SslResult
{
    private readonly int _bytes;

    private SslResult(SslStep step, int bytes, uint error)
    {
        Step = step;
        _bytes = bytes;
        Error = error;
    }

    public SslStep Step { get; }

    /// <summary>Packed code for <see cref="OpenSslLibrary.Describe"/>; 0: the connection failed, not TLS.</summary>
    public uint Error { get; }

    /// <summary>The reason inside <see cref="Error"/>. ERR_GET_REASON.</summary>
    public SslReason Reason => (SslReason)(Error & 0x7F_FFFF);

    /// <summary>The peer's alert that ended the session, -1 for none.</summary>
    public int PeerAlert => Reason is >= SslReason.FirstAlert and <= SslReason.LastAlert ? (int)(Reason - SslReason.FirstAlert) : -1;

    public int Bytes
    {
        get
        {
            Debug.Assert(Step == SslStep.Done);
            return _bytes;
        }
    }

    internal static SslResult Moved(int bytes) => new(SslStep.Done, bytes, 0);

    internal static SslResult Of(SslStep step)
    {
        Debug.Assert(step != SslStep.Failed);
        return new SslResult(step, 0, 0);
    }

    internal static SslResult Failed(uint error) => new(SslStep.Failed, 0, error);
}
