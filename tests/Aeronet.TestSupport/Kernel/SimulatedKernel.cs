using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using Aeronet.Native.Libc;
using Aeronet.Transport.Loop;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.TestSupport.Kernel;

/// <summary>The calls of <see cref="IKernel"/>, to count them and to make them fail.</summary>
internal enum KernelCall
{
    EpollControl,
    EpollWait,
    EventFdSignal,
    Accept,
    Receive,
    Send,
    SendFile,
    EncryptSends,
    Shutdown,
    Disconnect,
    Close,
}

/// <summary>A kernel in memory: descriptors (the lowest free number, as in Linux), edge-triggered epoll, sockets whose peers the test plays.</summary>
/// <remarks>Not thread-safe: the test thread drives the loop turn by turn.</remarks>
internal sealed class SimulatedKernel
{
    private readonly SortedDictionary<int, object> _open = [];
    private readonly Dictionary<KernelCall, Queue<Errno>> _failures = [];
    private readonly Dictionary<KernelCall, int> _counts = [];
    private readonly Dictionary<KernelCall, Action> _before = [];

    /// <summary>What the loop takes as its kernel.</summary>
    public Handle AsKernel() => new(this);

    /// <summary>Descriptors that are open, of all kinds.</summary>
    public int OpenCount => _open.Count;

    /// <summary>The timeout of the last wait, in milliseconds.</summary>
    public int LastTimeoutMs { get; private set; }

    /// <summary>Most bytes that one receive or send moves; for short reads and writes.</summary>
    public int TransferMax { get; set; } = int.MaxValue;

    /// <summary>Most events that one wait returns; for batches and fairness.</summary>
    public int EventsMax { get; set; } = int.MaxValue;

    public int Count(KernelCall call) => _counts.GetValueOrDefault(call);

    /// <summary>Makes the next calls fail, one by one; <see cref="Errno.None"/> lets one pass.</summary>
    public void Fail(KernelCall call, params Errno[] errors)
    {
        if (!_failures.TryGetValue(call, out Queue<Errno>? queue))
        {
            _failures[call] = queue = new Queue<Errno>();
        }
        foreach (Errno error in errors)
        {
            queue.Enqueue(error);
        }
    }

    /// <summary>Forgets the failures still to come.</summary>
    public void ClearFailures() => _failures.Clear();

    /// <summary>Runs an action once, just before the next call of this kind.</summary>
    public void Before(KernelCall call, Action action) => _before[call] = action;

    /// <summary>A listening socket.</summary>
    public int Listen() => Add(new Listener());

    /// <summary>A peer whose connection waits at the listener.</summary>
    public SimulatedPeer Connect(int listener, IPEndPoint? from = null)
    {
        SimulatedPeer peer = new(from ?? new IPEndPoint(IPAddress.Loopback, 40_000));
        Listener state = (Listener)_open[listener];
        state.Waiting.Enqueue(peer);
        return peer;
    }

    /// <summary>An event as if the kernel had queued it earlier, for whatever data.</summary>
    public void InjectEvent(EpollEvents events, ulong data) => _injected.Enqueue((events, data));

    /// <summary>The epoll data under which a descriptor is registered.</summary>
    public ulong DataOf(SimulatedPeer peer)
    {
        foreach (object entry in _open.Values)
        {
            if (entry is EpollSet set && set.Watches.TryGetValue(peer.Descriptor, out Watch? watch))
            {
                return watch.Data;
            }
        }
        throw new InvalidOperationException("Not registered.");
    }

    public bool IsRegistered(SimulatedPeer peer) => WatchOf(peer.Descriptor) is not null;

    public EpollEvents InterestOf(SimulatedPeer peer) => WatchOf(peer.Descriptor)?.Interest ?? EpollEvents.None;

    public bool IsListenerWatched(int listener) => WatchOf(listener) is not null;

    private readonly Queue<(EpollEvents Events, ulong Data)> _injected = new();

    private Watch? WatchOf(int fd)
    {
        foreach (object entry in _open.Values)
        {
            if (entry is EpollSet set && set.Watches.TryGetValue(fd, out Watch? watch))
            {
                return watch;
            }
        }
        return null;
    }

    private int Add(object state)
    {
        int fd = 3;
        while (_open.ContainsKey(fd))
        {
            fd++;
        }
        _open.Add(fd, state);
        return fd;
    }

    private bool Begin(KernelCall call, out SysResult failure)
    {
        _counts[call] = Count(call) + 1;
        if (_before.Remove(call, out Action? action))
        {
            action();
        }
        if (_failures.TryGetValue(call, out Queue<Errno>? queue) && queue.TryDequeue(out Errno error) && error != Errno.None)
        {
            failure = SysResult.Failed(error);
            return false;
        }
        failure = default;
        return true;
    }

    private SysResult EpollControl(int epoll, EpollOperation operation, int fd, EpollEvents events, ulong data)
    {
        if (!Begin(KernelCall.EpollControl, out SysResult failure))
        {
            return failure;
        }
        EpollSet set = (EpollSet)_open[epoll];
        bool isWatched = set.Watches.ContainsKey(fd);
        if (!_open.TryGetValue(fd, out object? target))
        {
            return SysResult.Failed(Errno.EBADF);
        }
        switch (operation)
        {
            case EpollOperation.Add when isWatched:
                return SysResult.Failed(Errno.EEXIST);
            case EpollOperation.Modify or EpollOperation.Delete when !isWatched:
                return SysResult.Failed(Errno.ENOENT);
            case EpollOperation.Delete:
                set.Watches.Remove(fd);
                break;
            default:
                // Added or modified: readiness is looked at anew, so the edge counts as not yet reported.
                set.Watches[fd] = new Watch(target, events, data);
                break;
        }
        return SysResult.Ok(0);
    }

    private SysResult EpollWait(int epoll, EpollEventBuffer into, int timeoutMs)
    {
        if (!Begin(KernelCall.EpollWait, out SysResult failure))
        {
            return failure;
        }
        LastTimeoutMs = timeoutMs;
        int count = 0;
        while (count < into.Capacity && _injected.TryDequeue(out (EpollEvents Events, ulong Data) injected))
        {
            into.Set(count++, injected.Events, injected.Data);
        }
        foreach (Watch watch in ((EpollSet)_open[epoll]).Watches.Values)
        {
            if (count == Math.Min(into.Capacity, EventsMax))
            {
                break;
            }
            EpollEvents ready = watch.TakeReady();
            if (ready != EpollEvents.None)
            {
                into.Set(count++, ready, watch.Data);
            }
        }
        return SysResult.Ok(count);
    }

    private SysResult Accept(int listener, out SockAddr peerAddress)
    {
        peerAddress = default;
        if (!Begin(KernelCall.Accept, out SysResult failure))
        {
            return failure;
        }
        if (!((Listener)_open[listener]).Waiting.TryDequeue(out SimulatedPeer? peer))
        {
            return SysResult.Failed(Errno.EAGAIN);
        }
        peer.Descriptor = Add(peer);
        peerAddress = SockAddr.From(peer.EndPoint);
        return SysResult.Ok(peer.Descriptor);
    }

    private SysResult Receive(int fd, Span<byte> into) =>
        Begin(KernelCall.Receive, out SysResult failure) ? Peer(fd).TakeSent(into[..Math.Min(into.Length, TransferMax)]) : LosingEdge(fd, failure);

    private SysResult Send(int fd, ReadOnlySpan<byte> bytes) =>
        Begin(KernelCall.Send, out SysResult failure) ? Peer(fd).Put(bytes[..Math.Min(bytes.Length, TransferMax)]) : failure;

    private SysResult SendFile(int fd, int file, long offset, int count)
    {
        if (!Begin(KernelCall.SendFile, out SysResult failure))
        {
            return failure;
        }
        byte[] bytes = new byte[Math.Min(count, TransferMax)];
        using SafeFileHandle handle = new(file, ownsHandle: false);
        int read = RandomAccess.Read(handle, bytes, offset);
        return read == 0 ? SysResult.Ok(0) : Peer(fd).Put(bytes.AsSpan(0, read));
    }

    private SysResult Send(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> segments)
    {
        if (!Begin(KernelCall.Send, out SysResult failure))
        {
            return failure;
        }
        int total = 0;
        foreach (ReadOnlyMemory<byte> segment in segments[..Math.Min(segments.Length, SocketIo.SegmentsMax)])
        {
            ReadOnlySpan<byte> bytes = segment.Span[..Math.Min(segment.Length, TransferMax - total)];
            SysResult result = bytes.IsEmpty ? SysResult.Ok(0) : Peer(fd).Put(bytes);
            if (!result.IsOk)
            {
                return total > 0 ? SysResult.Ok(total) : result;
            }
            total += result.Value;
            if (result.Value < segment.Length)
            {
                break;
            }
        }
        return SysResult.Ok(total);
    }

    /// <summary>An injected EAGAIN on a receive must come with a new edge, as the real kernel would give one when the bytes "arrive".</summary>
    private SysResult LosingEdge(int fd, SysResult failure)
    {
        if (failure.Errno == Errno.EAGAIN)
        {
            Peer(fd).Touch();
        }
        return failure;
    }

    private SysResult Close(int fd)
    {
        _ = Begin(KernelCall.Close, out _);
        if (!_open.Remove(fd, out object? state))
        {
            throw new InvalidOperationException($"Descriptor {fd} was closed twice.");
        }
        foreach (object entry in _open.Values)
        {
            (entry as EpollSet)?.Watches.Remove(fd);
        }
        (state as SimulatedPeer)?.OnClosedByServer();
        return SysResult.Ok(0);
    }

    private SimulatedPeer Peer(int fd) =>
        _open.TryGetValue(fd, out object? state) ? (SimulatedPeer)state : throw new InvalidOperationException($"Call on closed descriptor {fd}.");

    /// <summary>Something epoll can watch.</summary>
    internal interface IWatched
    {
        EpollEvents Readiness { get; }

        /// <summary>Counts changes of readiness: an edge per change.</summary>
        int Edges { get; }
    }

    private sealed class Listener : IWatched
    {
        public Queue<SimulatedPeer> Waiting { get; } = new();

        public EpollEvents Readiness => Waiting.Count > 0 ? EpollEvents.In : EpollEvents.None;

        public int Edges => 0;
    }

    private sealed class EventCounter : IWatched
    {
        public int Edges { get; set; }

        public EpollEvents Readiness => Edges > 0 ? EpollEvents.In : EpollEvents.None;
    }

    private sealed class EpollSet
    {
        public SortedDictionary<int, Watch> Watches { get; } = [];
    }

    private sealed class Watch(object target, EpollEvents interest, ulong data)
    {
        private int _edgesSeen = -1;

        public EpollEvents Interest => interest;

        public ulong Data => data;

        public EpollEvents TakeReady()
        {
            IWatched watched = (IWatched)target;
            bool isEdge = watched.Edges != _edgesSeen;
            if ((interest & EpollEvents.EdgeTriggered) != 0 && !isEdge)
            {
                return EpollEvents.None;
            }
            _edgesSeen = watched.Edges;
            return watched.Readiness & (interest | EpollEvents.Error | EpollEvents.HangUp);
        }
    }

    /// <summary>The struct that the loop is generic over.</summary>
    internal readonly struct Handle(SimulatedKernel kernel) : IKernel
    {
        public SysResult EpollCreate() => SysResult.Ok(kernel.Add(new EpollSet()));

        public SysResult EpollControl(int epoll, EpollOperation operation, int fd, EpollEvents events, ulong data) =>
            kernel.EpollControl(epoll, operation, fd, events, data);

        public SysResult EpollWait(int epoll, EpollEventBuffer into, int timeoutMs) => kernel.EpollWait(epoll, into, timeoutMs);

        public SysResult EventFdCreate() => SysResult.Ok(kernel.Add(new EventCounter()));

        public SysResult EventFdSignal(int fd)
        {
            _ = kernel.Begin(KernelCall.EventFdSignal, out _);
            ((EventCounter)kernel._open[fd]).Edges++;
            return SysResult.Ok(8);
        }

        public SysResult Accept(int listener, out SockAddr peer) => kernel.Accept(listener, out peer);

        public SysResult Receive(int fd, Span<byte> into) => kernel.Receive(fd, into);

        public SysResult Send(int fd, ReadOnlySpan<byte> bytes) => kernel.Send(fd, bytes);

        public SysResult Send(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> segments) => kernel.Send(fd, segments);

        public SysResult SendFile(int fd, int file, long offset, int count) => kernel.SendFile(fd, file, offset, count);

        public SysResult EncryptSends(int fd, ReadOnlySpan<byte> key)
        {
            kernel.Peer(fd).OnTlsProtocol();
            return kernel.Begin(KernelCall.EncryptSends, out SysResult failure) ? kernel.Peer(fd).OnEncryption(key) : failure;
        }

        public SysResult SendRecord(int fd, byte contentType, ReadOnlySpan<byte> content) =>
            kernel.Begin(KernelCall.Send, out SysResult failure) ? kernel.Peer(fd).PutRecord(contentType, content) : failure;

        public SysResult IsWritable(int fd) => SysResult.Ok(kernel.Peer(fd).HasRoom ? 1 : 0);

        public SysResult SetResetOnClose(int fd)
        {
            kernel.Peer(fd).OnResetWanted();
            return SysResult.Ok(0);
        }

        public SysResult Shutdown(int fd, ShutdownSide side)
        {
            if (!kernel.Begin(KernelCall.Shutdown, out SysResult failure))
            {
                return failure;
            }
            kernel.Peer(fd).OnShutdownByServer(side);
            return SysResult.Ok(0);
        }

        public SysResult Disconnect(int fd)
        {
            if (!kernel.Begin(KernelCall.Disconnect, out SysResult failure))
            {
                return failure;
            }
            return kernel.Peer(fd).OnDisconnectedByServer();
        }

        public SysResult GetLocalName(int fd, out SockAddr address)
        {
            address = SockAddr.From(new IPEndPoint(IPAddress.Loopback, 80));
            return SysResult.Ok(0);
        }

        public SysResult Close(int fd) => kernel.Close(fd);
    }
}
