using System;
using System.Diagnostics;

namespace Aeronet.Native.Libc;

/// <summary>TCP sockets whose kernel encrypts what is sent: the <c>tls</c> upper-layer protocol, Documentation/networking/tls.rst.</summary>
internal static unsafe class KernelTlsSocket
{
    internal const int UpperLayerProtocol = 31; // TCP_ULP
    internal const int TlsLevel = 282; // SOL_TLS
    internal const int SendKey = 1; // TLS_TX
    internal const int RecordType = 1; // TLS_SET_RECORD_TYPE

    // struct cmsghdr with one byte behind it, in the 64-bit ABIs: CMSG_LEN(1) and CMSG_SPACE(1).
    internal const int ControlHeaderLength = 16;
    internal const int ControlLength = ControlHeaderLength + 1;
    internal const int ControlSpace = 24;

    /// <summary>Asks a socket that is not connected: a kernel that knows the protocol, or could load it for us, refuses it for that reason only.</summary>
    public static bool IsOffered()
    {
        SysResult socket = Sockets.CreateStream(SockAddr.InterNetwork);
        if (!socket.IsOk)
        {
            return false;
        }

        SysResult result = SetProtocol(socket.Value);
        _ = Descriptors.Close(socket.Value);
        return result.Errno == Errno.ENOTCONN;
    }

    /// <summary>From now on everything that is sent leaves in records encrypted with this key. On failure it is sent as before; but the socket cannot be disconnected any more (<see cref="Sockets.Disconnect"/>), either way.</summary>
    /// <param name="fd">A connected TCP socket.</param>
    /// <param name="key">A <c>struct tls12_crypto_info_...</c> of linux/tls.h, for TLS 1.2 or 1.3.</param>
    public static SysResult SetSendKey(int fd, ReadOnlySpan<byte> key)
    {
        SysResult result = SetProtocol(fd);
        if (!result.IsOk)
        {
            return result;
        }

        fixed (byte* info = key)
        {
            return SysResult.From(LibC.setsockopt(fd, TlsLevel, SendKey, info, (uint)key.Length));
        }
    }

    /// <summary>Sends a record of another type than application data (23), after <see cref="SetSendKey"/>.</summary>
    public static SysResult SendRecord(int fd, byte contentType, ReadOnlySpan<byte> content)
    {
        Debug.Assert(!content.IsEmpty);
        byte* control = stackalloc byte[ControlSpace];
        new Span<byte>(control, ControlSpace).Clear();
        *(nuint*)control = ControlLength;
        *(int*)(control + sizeof(nuint)) = TlsLevel;
        *(int*)(control + sizeof(nuint) + sizeof(int)) = RecordType;
        control[ControlHeaderLength] = contentType;
        fixed (byte* bytes = content)
        {
            LibC.IoVector vector = new() { Base = bytes, Length = (nuint)content.Length };
            LibC.MessageHeader header = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlSpace };
            while (true)
            {
                SysResult result = SysResult.From(LibC.sendmsg(fd, &header, SocketIo.NoSignal));
                if (result.Errno != Errno.EINTR)
                {
                    return result;
                }
            }
        }
    }

    private static SysResult SetProtocol(int fd)
    {
        fixed (byte* name = "tls\0"u8)
        {
            return SysResult.From(LibC.setsockopt(fd, Sockets.TcpLevel, UpperLayerProtocol, name, 4));
        }
    }
}
