using System;
using System.IO;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport.Tests.Connections;

/// <summary>What the contract of pipes is tested on.</summary>
public enum PipeKind
{
    /// <summary>The framework's own: the oracle.</summary>
    Pipe,

    /// <summary>A connection of ours, code that waits runs on the loop.</summary>
    BridgeInline,

    /// <summary>A connection of ours, code that waits runs on the thread pool.</summary>
    BridgeThreadPool,

    /// <summary>As <see cref="BridgeInline"/>, and the loop goes on with another thread at every second point where it can.</summary>
    BridgeHandOff,
}

/// <summary>A reader and a writer under test, and the other ends of both.</summary>
internal abstract class PipePair : IAsyncDisposable
{
    public const int WriteLimit = 64 * 1024;

    public abstract PipeReader Reader { get; }

    public abstract PipeWriter Writer { get; }

    /// <summary>The bytes become readable, soon.</summary>
    public abstract Task FeedAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>The stream of bytes to read ends in order.</summary>
    public abstract Task FinishAsync();

    /// <summary>The next bytes that the writer has flushed; fewer at the end.</summary>
    public abstract Task<byte[]> TakeAsync(int count);

    /// <summary>Nobody takes what the writer writes any more.</summary>
    public abstract Task StopTakingAsync();

    public abstract ValueTask DisposeAsync();

    public static async Task<PipePair> MakeAsync(PipeKind kind) => kind == PipeKind.Pipe ? new FrameworkPair() : await BridgePair.ConnectAsync(kind);

    private sealed class FrameworkPair : PipePair
    {
        private readonly Pipe _input = new(new PipeOptions(useSynchronizationContext: false));
        private readonly Pipe _output = new(new PipeOptions(pauseWriterThreshold: WriteLimit, resumeWriterThreshold: WriteLimit / 2, useSynchronizationContext: false));

        public override PipeReader Reader => _input.Reader;

        public override PipeWriter Writer => _output.Writer;

        public override async Task FeedAsync(ReadOnlyMemory<byte> bytes) => await _input.Writer.WriteAsync(bytes);

        public override async Task FinishAsync() => await _input.Writer.CompleteAsync();

        public override async Task<byte[]> TakeAsync(int count)
        {
            var taken = new MemoryStream();
            while (taken.Length < count)
            {
                ReadResult result = await _output.Reader.ReadAsync();
                System.Buffers.ReadOnlySequence<byte> some = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, count - taken.Length));
                foreach (ReadOnlyMemory<byte> piece in some)
                {
                    taken.Write(piece.Span);
                }
                _output.Reader.AdvanceTo(some.End);
                if (result.IsCompleted && some.Length == result.Buffer.Length)
                {
                    break;
                }
            }
            return taken.ToArray();
        }

        public override async Task StopTakingAsync() => await _output.Reader.CompleteAsync();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class BridgePair(AeronetTransportFactory factory, IConnectionListener listener, Socket client, ConnectionContext connection) : PipePair
    {
        public override PipeReader Reader => connection.Transport.Input;

        public override PipeWriter Writer => connection.Transport.Output;

        public static async Task<BridgePair> ConnectAsync(PipeKind kind)
        {
            AeronetTransportOptions options = new()
            {
                IOThreadCount = 1,
                MaxWriteBufferSize = WriteLimit,
                PipeScheduling = kind == PipeKind.BridgeThreadPool ? PipeScheduling.ThreadPool : PipeScheduling.Inline,
                HandOffProbe = kind == PipeKind.BridgeHandOff ? static () => Random.Shared.Next(2) == 0 : null,
            };
            AeronetTransportFactory factory = new(Options.Create(options), NullLoggerFactory.Instance);
            IConnectionListener listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
            Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = 16 * 1024 };
            await client.ConnectAsync(listener.EndPoint);
            ConnectionContext? connection = await listener.AcceptAsync().AsTask().WaitAsync(Guard.Time);
            // The test goes on elsewhere: it must not sit on the loop's thread.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return new BridgePair(factory, listener, client, connection!);
        }

        public override async Task FeedAsync(ReadOnlyMemory<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[await client.SendAsync(bytes)..];
            }
        }

        public override Task FinishAsync()
        {
            client.Shutdown(SocketShutdown.Send);
            return Task.CompletedTask;
        }

        public override async Task<byte[]> TakeAsync(int count)
        {
            byte[] taken = new byte[count];
            int length = 0;
            int got;
            while (length < count && (got = await client.ReceiveAsync(taken.AsMemory(length))) > 0)
            {
                length += got;
            }
            return taken[..length];
        }

        public override Task StopTakingAsync()
        {
            client.Close(0); // resets
            return Task.CompletedTask;
        }

        public override async ValueTask DisposeAsync()
        {
            _ = factory;
            client.Dispose();
            await connection.DisposeAsync().AsTask().WaitAsync(Guard.Time);
            await listener.DisposeAsync().AsTask().WaitAsync(Guard.Time);
        }
    }
}
