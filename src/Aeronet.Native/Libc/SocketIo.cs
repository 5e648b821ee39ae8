using System;
using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Aeronet.Native.Libc;

/// <summary>Bytes through sockets, never waiting, never raising SIGPIPE. EINTR is retried; every other error is the caller's.</summary>
internal static unsafe class SocketIo
{
    /// <summary>Most segments that one <see cref="Send(int, ReadOnlySpan{ReadOnlyMemory{byte}})"/> looks at: 1 KiB of stack, and beyond it the syscall is no longer what costs.</summary>
    public const int SegmentsMax = 64;

    internal const int NoSignal = 0x4000; // MSG_NOSIGNAL

    /// <summary>Bytes received, 0 for end of stream.</summary>
    public static SysResult Receive(int fd, Span<byte> into)
    {
        // Zero bytes received into nothing could not be told from end of stream.
        Debug.Assert(!into.IsEmpty);
        fixed (byte* buffer = into)
        {
            while (true)
            {
                SysResult result = SysResult.From(LibC.recv(fd, buffer, (nuint)into.Length, 0));
                if (result.Errno != Errno.EINTR)
                {
                    return result;
                }
            }
        }
    }

    public static SysResult Send(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* buffer = bytes)
        {
            while (true)
            {
                SysResult result = SysResult.From(LibC.send(fd, buffer, (nuint)bytes.Length, NoSignal));
                if (result.Errno != Errno.EINTR)
                {
                    return result;
                }
            }
        }
    }

    /// <summary>Sends the first <see cref="SegmentsMax"/> segments at most, in order, in one call.</summary>
    [SkipLocalsInit]
    public static SysResult Send(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> segments)
    {
        int count = Math.Min(segments.Length, SegmentsMax);
        LibC.IoVector* vectors = stackalloc LibC.IoVector[SegmentsMax];
        PinArray pins = default;
        try
        {
            for (int i = 0; i < count; i++)
            {
                ReadOnlyMemory<byte> segment = segments[i];
                pins[i] = segment.Pin();
                vectors[i].Base = (byte*)pins[i].Pointer;
                vectors[i].Length = (nuint)segment.Length;
            }
            return SendVectors(fd, vectors, count);
        }
        finally
        {
            for (int i = 0; i < count; i++)
            {
                pins[i].Dispose();
            }
        }
    }

    /// <summary>Sends from a file without its bytes passing through user memory; 0 at the end of the file. May wait for the disk.</summary>
    /// <remarks>Knows no MSG_NOSIGNAL: the runtime ignores SIGPIPE for the whole process.</remarks>
    public static SysResult SendFile(int fd, int file, long offset, int count)
    {
        Debug.Assert(count > 0);
        while (true)
        {
            SysResult result = SysResult.From(LibC.sendfile(fd, file, &offset, (nuint)count));
            if (result.Errno != Errno.EINTR)
            {
                return result;
            }
        }
    }

    private static SysResult SendVectors(int fd, LibC.IoVector* vectors, int count)
    {
        LibC.MessageHeader header = default;
        header.Vectors = vectors;
        header.VectorCount = (nuint)count;
        while (true)
        {
            SysResult result = SysResult.From(LibC.sendmsg(fd, &header, NoSignal));
            if (result.Errno != Errno.EINTR)
            {
                return result;
            }
        }
    }

    [InlineArray(SegmentsMax)]
    private struct PinArray
    {
        private MemoryHandle _first;
    }
}
