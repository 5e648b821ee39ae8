using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>A stream that writes in pieces of a given size and reads at most so many bytes at a time.</summary>
internal sealed class PiecemealStream(Stream inner, int writeMax, int readMax = int.MaxValue) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, Math.Min(count, readMax));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(buffer[..Math.Min(buffer.Length, readMax)], cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            int count = Math.Min(writeMax, buffer.Length);
            await inner.WriteAsync(buffer[..count], cancellationToken).ConfigureAwait(false);
            await Task.Yield();
            buffer = buffer[count..];
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}

/// <summary>Sockets without TLS.</summary>
internal static class RawPeers
{
    public static async Task<Socket> ConnectAsync(IPEndPoint endPoint, int? receiveBuffer = null)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBuffer is { } size)
        {
            socket.ReceiveBufferSize = size;
        }

        await socket.ConnectAsync(endPoint).WaitAsync(TestSupport.Hosting.Guard.Time).ConfigureAwait(false);
        return socket;
    }

    /// <summary>Everything until the server ends; a reset counts as the end.</summary>
    public static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[4096];
        using CancellationTokenSource guard = new(TestSupport.Hosting.Guard.Time);
        try
        {
            while (await socket.ReceiveAsync(buffer, guard.Token).ConfigureAwait(false) is var count && count > 0)
            {
                all.Write(buffer, 0, count);
            }
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // What came before it has been read.
        }

        return all.ToArray();
    }
}
