using System.Diagnostics;

namespace Aeronet.Transport.Connections;

/// <summary>Why a connection ended or a call failed, as far as a protocol cares.</summary>
internal enum IoError
{
    None,
    /// <summary>ECONNRESET, EPIPE, ENOTCONN: the peer is gone.</summary>
    ConnectionReset,
    /// <summary>ETIMEDOUT, EHOSTUNREACH and the like: the network gave up.</summary>
    NetworkFailure,
    /// <summary>The kernel does not send from this file, or none: its bytes have to be read. The connection is as before.</summary>
    FileNotSendable,
    /// <summary>Anything else; the errno is in the transport's log.</summary>
    Other,
}

/// <summary>Outcome of one non-blocking transfer: bytes, end of stream, would block, or an error.</summary>
internal readonly struct IoResult
{
    private const int WouldBlockValue = -1;
    private readonly int _value; // >= 0 bytes, -1 would block, <= -2 an IoError

    private IoResult(int value) => _value = value;

    public static IoResult WouldBlock => new(WouldBlockValue);

    public static IoResult Transferred(int bytes)
    {
        Debug.Assert(bytes >= 0);
        return new IoResult(bytes);
    }

    public static IoResult Failed(IoError error)
    {
        Debug.Assert(error != IoError.None);
        return new IoResult(WouldBlockValue - (int)error);
    }

    /// <summary>Bytes were moved (for a receive: more than zero).</summary>
    public bool HasBytes => _value > 0;

    /// <summary>Number of bytes; only when not blocked and not failed.</summary>
    public int Bytes
    {
        get
        {
            Debug.Assert(_value >= 0);
            return _value;
        }
    }

    /// <summary>A receive returned zero: the peer has closed its sending side.</summary>
    public bool IsEndOfStream => _value == 0;

    public bool IsWouldBlock => _value == WouldBlockValue;

    public bool IsFailed => _value < WouldBlockValue;

    public IoError Error => IsFailed ? (IoError)(WouldBlockValue - _value) : IoError.None;
}
