using System;
using System.Buffers;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Server.Exchange;

// IHttpResponseBodyFeature.SendFileAsync: static files, Results.File, Response.SendFileAsync. A body write like any other: what is before and after it is legal.
internal abstract partial class HttpExchange
{
    private const int FilePartMax = 1 << 30; // what one chunk of a chunked response is at most

    public async Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // Taken now: when a slow disk has answered, the exchange may serve another connection.
        uint request = RequestNumber;
        Stream response = ResponseStream;
        ThrowIfOver(request);
        using SafeFileHandle file = OpenFile(path);
        long length = RandomAccess.GetLength(file);
        if (length == 0 && count is null)
        {
            // Empty, or one of those that the kernel makes up while they are read.
            await SendFileFallback.SendFileAsync(response, path, offset, count, cancellationToken).ConfigureAwait(false);
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

        // Up to here one read, and one send together with the head: no dearer than a call of its own for the file, and no more memory than a response may have waiting anyway.
        if (left <= Settings.DeferredResponseBytesMax)
        {
            await WriteFileAsync(request, response, file, offset, (int)left, cancellationToken).ConfigureAwait(false);
            return;
        }

        ThrowIfOver(request);
        if (!_started)
        {
            if (!HasOnStarting) // else a callback may still change the length
            {
                Output.CheckFirstWrite(left);
            }

            await StartAsync(cancellationToken).ConfigureAwait(false);
        }

        Output.EnterFile(request);
        try
        {
            while (left > 0)
            {
                int part = (int)Math.Min(left, FilePartMax);
                await Output.SendFileAsync(file, offset, part, cancellationToken).ConfigureAwait(false);
                offset += part;
                left -= part;
            }
        }
        finally
        {
            Output.LeaveFile();
        }
    }

    private void ThrowIfOver(uint request)
    {
        if (_responseCompleted || RequestNumber != request)
        {
            throw new InvalidOperationException("Writing is not allowed after writer was completed.");
        }
    }

    // Whatever is missing is said as on Kestrel.
    private static SafeFileHandle OpenFile(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        }
        catch (Exception exception) when (exception is DirectoryNotFoundException || (exception is UnauthorizedAccessException && Directory.Exists(path)))
        {
            throw new FileNotFoundException($"Could not find file '{path}'.", path, exception);
        }
    }

    // What the file lacks meanwhile, the response lacks: its length is checked at its end.
    private async Task WriteFileAsync(uint request, Stream response, SafeFileHandle file, long offset, int count, CancellationToken cancellation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(count);
        try
        {
            int length = 0;
            while (length < count)
            {
                int read = RandomAccess.Read(file, buffer.AsSpan(length, count - length), offset + length);
                if (read == 0)
                {
                    break;
                }

                length += read;
            }

            ThrowIfOver(request);
            await response.WriteAsync(buffer.AsMemory(0, length), cancellation).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Waits for a file that the application has not awaited, and lets none begin any more; after an error it is broken off first.</summary>
    protected Task EndFilesAsync()
    {
        if (_applicationError is { } error && Output.HasFile)
        {
            AbortResponse(error);
        }

        return Output.RefuseFilesAsync();
    }
}
