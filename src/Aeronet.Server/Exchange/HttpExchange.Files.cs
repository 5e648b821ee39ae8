using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Server.Exchange;

// IHttpResponseBodyFeature.SendFileAsync: static files, Results.File, Response.SendFileAsync. A body write like any other: what is before and after it is legal.
internal abstract partial class HttpExchange
{
    // Up to here one read, and one send together with the head: no dearer than a call of its own for the file, and no more memory than a response may have waiting anyway.
    private const int FileCopiedMax = 64 * 1024;

    private const int FilePartMax = 1 << 30; // what one chunk of a chunked response is at most

    private Task? _fileUnderWay; // completes when no thread of this request is inside a call with the connection's descriptor any more

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default)
    {
        Task sending = SendFileCoreAsync(path, offset, count, cancellationToken);
        if (!sending.IsCompleted)
        {
            _fileUnderWay = sending;
        }

        return sending;
    }

    /// <summary>The application has ended without awaiting a file.</summary>
    protected bool HasFileUnderWay => _fileUnderWay is { IsCompleted: false };

    /// <summary>Waits for it; after an error of the application it is broken off first.</summary>
    protected async Task EndFileAsync()
    {
        if (_fileUnderWay is not { } sending)
        {
            return;
        }

        if (_applicationError is { } error && !sending.IsCompleted)
        {
            AbortResponse(error);
        }

        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _fileUnderWay = null;
    }

    private async Task SendFileCoreAsync(string path, long offset, long? count, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_responseCompleted)
        {
            throw new InvalidOperationException("Writing is not allowed after writer was completed.");
        }

        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        long length = RandomAccess.GetLength(file);
        if (length == 0 && count is null)
        {
            // Empty, or one of those that the kernel makes up while they are read.
            await SendFileFallback.SendFileAsync(ResponseStream, path, offset, count, cancellation).ConfigureAwait(false);
            return;
        }

        if (offset < 0 || offset > length)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"The file has {length} bytes.");
        }

        if (count < 0 || count > length - offset)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count, $"The file has {length - offset} bytes from there.");
        }

        long left = count ?? length - offset;
        if (left == 0)
        {
            return;
        }

        if (!_started)
        {
            Output.CheckFirstWrite(left);
            await StartAsync(cancellation).ConfigureAwait(false);
        }

        if (left <= FileCopiedMax)
        {
            await CopyFileAsync(file, offset, (int)left, cancellation).ConfigureAwait(false);
            return;
        }

        while (left > 0)
        {
            int part = (int)Math.Min(left, FilePartMax);
            await Output.SendFileAsync(file, offset, part, cancellation).ConfigureAwait(false);
            offset += part;
            left -= part;
        }
    }

    // What the file lacks meanwhile, the response lacks: its length is checked at its end.
    private async Task CopyFileAsync(SafeFileHandle file, long offset, int count, CancellationToken cancellation)
    {
        Memory<byte> memory = Output.GetMemory(count);
        int copied = 0;
        while (copied < count)
        {
            int read = RandomAccess.Read(file, memory.Span[copied..count], offset + copied);
            if (read == 0)
            {
                break;
            }

            copied += read;
        }

        Output.Advance(copied);
        await Output.FlushAsync(cancellation).ConfigureAwait(false);
    }
}
