using System;
using System.Diagnostics;
using System.Net;
using System.Threading;
using Aeronet.Native.Libc;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Listen;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Transport.Gate;

/// <summary>A connection at the gate of its endpoint: reads the proxy's header, asks the limit for the client's address, then lets everything through to the protocol, which is made at this moment and hears of the client only.</summary>
/// <remarks>Before the gate opens everything happens on the loop; afterwards the ownerships of <see cref="TransportConnection"/> hold.</remarks>
internal sealed class GatedConnection : TransportConnection, IConnectionHandler
{
    private const int DroppedBytesMax = 64 * 1024;
    private const int HeaderSizeHint = 1024; // nearly all are shorter; what comes behind is received with it

    private readonly TransportConnection _inner;
    private readonly GateAcceptor _acceptor;
    private IConnectionHandler? _protocol; // Non-null once the gate is open.
    private ProxyProtocolFeature? _proxy; // Non-null once a header was read; before the gate opens.
    private UInt128? _limitKey; // Non-null while it holds a place in the limit.
    private ReceiveBuffer _input; // The header so far, then what came behind it: receive owner.
    private IoResult? _end; // met behind what was received: receive owner
    private int _state; // bits of State, any thread

    internal GatedConnection(TransportConnection inner, GateAcceptor acceptor)
        : base(inner.Loop)
    {
        _inner = inner;
        _acceptor = acceptor;
    }

    // Any thread, interlocked.
    [Flags]
    private enum State
    {
        None = 0,
        Waiting = 1, // for the header; loop only
        FeaturesPublished = 2,
        Reported = 4, // what became of the header
        Closed = 8,
    }

    public override string ConnectionId => _inner.ConnectionId;

    public override EndPoint? LocalEndPoint => _proxy?.Destination ?? _inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _proxy?.Source ?? _inner.RemoteEndPoint;

    public override EndPoint? ListenEndPoint => _inner.ListenEndPoint;

    public override PeerAddress Peer => _proxy?.Source switch
    {
        null => _inner.Peer,
        IPEndPoint client => PeerAddress.From(SockAddr.From(client)),
        _ => default,
    };

    public override bool IsCloseRequested => _inner.IsCloseRequested;

    public override long DeadlineMs => _inner.DeadlineMs;

    public override bool CanHalfClose => _inner.CanHalfClose;

    public override bool IsWritable => _inner.IsWritable;

    public override IFeatureCollection Features
    {
        get
        {
            IFeatureCollection features = _inner.Features;
            if (_proxy is not null && !Has(State.FeaturesPublished))
            {
                Publish(features, _proxy);
            }

            return features;
        }
    }

    public override object? FindFeature(Type key) =>
        _proxy is not null && (key == typeof(IProxyProtocolFeature) || key == typeof(IConnectionEndPointFeature)) ? Features[key] : _inner.FindFeature(key);

    // ---- The gate -----------------------------------------------------------------------------------------------

    /// <summary>At accept. False: the connection is refused.</summary>
    internal bool Begin()
    {
        if (_acceptor.Gate.Proxy is not { } proxy)
        {
            return TryOpen();
        }

        if (!proxy.Options.IsTrusted(_inner.RemoteEndPoint))
        {
            return Pass(proxy, ProxyProtocolOutcome.Untrusted) && TryOpen();
        }

        if (!_acceptor.TryEnterWaiting())
        {
            return false;
        }

        Set(State.Waiting);
        _inner.SetDeadline(Loop.NowMs + (long)proxy.Options.Timeout.TotalMilliseconds);
        return true;
    }

    private void ReadHeader(ProxyProtocolLayer proxy, bool peerClosed)
    {
        while (true)
        {
            IoResult received = _inner.Receive(_input.GetFree(Loop.Blocks, HeaderSizeHint));
            if (received.IsWouldBlock)
            {
                if (_input.Length == 0)
                {
                    _input.Release(Loop.Blocks); // who says nothing holds nothing
                }

                return;
            }

            if (!received.HasBytes)
            {
                Settle(proxy, ProxyProtocolOutcome.Closed, peerClosed);
                return;
            }

            _input.Commit(received.Bytes);
            ProxyProtocolStatus status = ProxyProtocolParser.Parse(_input.Unread, proxy.Options.MaxHeaderSize, out ProxyProtocolHeader? header, out int consumed);
            if (status == ProxyProtocolStatus.NeedMore)
            {
                continue;
            }

            if (header is not null)
            {
                _input.Consume(consumed);
                _proxy = new ProxyProtocolFeature(header, _inner.RemoteEndPoint);
            }

            Settle(proxy, status switch
            {
                ProxyProtocolStatus.Done => ProxyProtocolOutcome.Read,
                ProxyProtocolStatus.TooLarge => ProxyProtocolOutcome.TooLarge,
                ProxyProtocolStatus.Malformed => ProxyProtocolOutcome.Malformed,
                _ => ProxyProtocolOutcome.Absent,
            }, peerClosed);
            return;
        }
    }

    /// <summary>The header has come, or will not: opens the gate or ends the connection.</summary>
    private void Settle(ProxyProtocolLayer proxy, ProxyProtocolOutcome outcome, bool peerClosed)
    {
        StopWaiting();
        _inner.SetDeadline(long.MaxValue);
        if (!Pass(proxy, outcome))
        {
            Loop.Counters.ConnectionsRefused += outcome == ProxyProtocolOutcome.Closed ? 0 : 1;
            Close();
        }
        else if (TryOpen())
        {
            _protocol!.OnReadable(peerClosed);
        }
        else if (!Has(State.Closed))
        {
            Loop.Counters.ConnectionsRefused++; // at accept the loop counts
            DropUnread(); // closing over it would destroy what the protocol has said to the client that it refuses
            Close();
        }
    }

    private void StopWaiting()
    {
        if (Has(State.Waiting))
        {
            Clear(State.Waiting);
            _acceptor.ExitWaiting();
        }
    }

    private void DropUnread()
    {
        _input.Release(Loop.Blocks);
        for (int dropped = 0; dropped < DroppedBytesMax;)
        {
            IoResult received = _inner.Receive(_input.GetFree(Loop.Blocks, BlockPool.BlockSize)); // into the same memory again and again
            if (!received.HasBytes)
            {
                break;
            }

            dropped += received.Bytes;
        }

        _input.Release(Loop.Blocks);
    }

    /// <summary>Reports, and aborts what does not pass: nothing can be answered, the bytes behind are of an unknown protocol.</summary>
    private bool Pass(ProxyProtocolLayer proxy, ProxyProtocolOutcome outcome)
    {
        Report(proxy, outcome);
        if (proxy.IsPassed(outcome))
        {
            return true;
        }

        if (outcome != ProxyProtocolOutcome.Closed)
        {
            _inner.Abort();
        }

        return false;
    }

    private void Report(ProxyProtocolLayer proxy, ProxyProtocolOutcome outcome)
    {
        Set(State.Reported);
        if (proxy.IsReported(outcome))
        {
            Tell(proxy, outcome);
        }
    }

    // A method of its own, or every connection would make its id and allocate what the lambda captures.
    private void Tell(ProxyProtocolLayer proxy, ProxyProtocolOutcome outcome) => Guard.Run(() => proxy.Report(ConnectionId, outcome));

    private bool TryOpen()
    {
        if (!TryEnterLimit())
        {
            _inner.Abort();
            return false;
        }

        try
        {
            _protocol = _acceptor.Next.Accept(this);
        }
        finally
        {
            if (_protocol is null)
            {
                ExitLimit(); // refused at accept, nobody would tell us of the end
            }
        }

        return _protocol is not null;
    }

    private bool TryEnterLimit()
    {
        if (_acceptor.Gate.Limit is not { } layer || RemoteEndPoint is not IPEndPoint client)
        {
            return true;
        }

        UInt128 key = layer.Limit.KeyOf(client.Address);
        if (layer.Limit.TryEnter(key))
        {
            _limitKey = key; // not the address: applications get that object, and may change it
            return true;
        }

        ReportRefused(layer, client.Address);
        return false;
    }

    private void ReportRefused(AddressLimitLayer layer, IPAddress address) => Guard.Run(() => layer.ReportRefused(ConnectionId, address));

    private void ExitLimit()
    {
        if (_limitKey is { } key)
        {
            _limitKey = null;
            _acceptor.Gate.Limit!.Limit.Exit(key);
        }
    }

    private void Publish(IFeatureCollection features, ProxyProtocolFeature proxy)
    {
        lock (this) // first asked for by several threads at once
        {
            if (Has(State.FeaturesPublished))
            {
                return;
            }

            features[typeof(IProxyProtocolFeature)] = proxy;
            if (proxy.Source is not null && features[typeof(IConnectionEndPointFeature)] is IConnectionEndPointFeature ends)
            {
                ends.RemoteEndPoint = RemoteEndPoint;
                ends.LocalEndPoint = LocalEndPoint;
            }

            Set(State.FeaturesPublished);
        }
    }

    // ---- The protocol's calls -----------------------------------------------------------------------------------

    /// <remarks>A result shorter than <paramref name="into"/> means as much as on a socket: nothing is left, and the next bytes bring an edge.</remarks>
    public override IoResult Receive(Span<byte> into)
    {
        if (_end is { } end)
        {
            return end;
        }

        if (!_input.IsAllocated)
        {
            return _inner.Receive(into);
        }

        int count = Math.Min(into.Length, _input.Length);
        _input.Unread[..count].CopyTo(into);
        _input.Consume(count);
        if (_input.Length > 0)
        {
            return IoResult.Transferred(count);
        }

        _input.Release(Loop.Blocks);
        if (count == into.Length)
        {
            return IoResult.Transferred(count);
        }

        IoResult more = _inner.Receive(into[count..]);
        if (more.HasBytes)
        {
            return IoResult.Transferred(count + more.Bytes);
        }

        if (count == 0)
        {
            return more;
        }

        if (!more.IsWouldBlock)
        {
            _end = more; // a reset would be told once only
        }

        return IoResult.Transferred(count);
    }

    public override IoResult Send(ReadOnlySpan<byte> bytes) => _inner.Send(bytes);

    public override IoResult Send(ReadOnlySpan<ReadOnlyMemory<byte>> segments) => _inner.Send(segments);

    public override IoResult SendAgain(ReadOnlySpan<byte> bytes, long retriedBytes) => _inner.SendAgain(bytes, retriedBytes);

    public override IoResult SendAgain(ReadOnlySpan<ReadOnlyMemory<byte>> segments, long retriedBytes) => _inner.SendAgain(segments, retriedBytes);

    public override bool SendsFiles => _inner.SendsFiles;

    public override IoResult SendFile(SafeFileHandle file, long offset, int count) => _inner.SendFile(file, offset, count);

    public override bool TryEncryptSends(ReadOnlySpan<byte> key) => _inner.TryEncryptSends(key);

    public override IoResult SendRecord(byte contentType, ReadOnlySpan<byte> content) => _inner.SendRecord(contentType, content);

    public override void NotifyWhenWritable() => _inner.NotifyWhenWritable();

    public override void RequeueReadable() => _inner.RequeueReadable();

    public override void Post() => _inner.Post();

    public override void SetDeadline(long deadlineMs) => _inner.SetDeadline(deadlineMs);

    public override void ShutdownSend() => _inner.ShutdownSend();

    public override void Abort() => _inner.Abort();

    public override void Close()
    {
        Set(State.Closed);
        _inner.Close();
    }

    // ---- The loop's calls ---------------------------------------------------------------------------------------

    public void OnReadable(bool peerClosed)
    {
        if (_protocol is not null)
        {
            _protocol.OnReadable(peerClosed);
        }
        else
        {
            ReadHeader(_acceptor.Gate.Proxy!, peerClosed);
        }
    }

    public void OnWritable() => _protocol?.OnWritable();

    public void OnReset()
    {
        if (_protocol is not null)
        {
            _protocol.OnReset();
        }
        else
        {
            Close();
        }
    }

    public void OnDeadline(long nowMs)
    {
        if (_protocol is not null)
        {
            _protocol.OnDeadline(nowMs);
        }
        else
        {
            Settle(_acceptor.Gate.Proxy!, ProxyProtocolOutcome.TimedOut, peerClosed: false);
        }
    }

    public void OnPosted() => _protocol?.OnPosted();

    public void OnDrain()
    {
        if (_protocol is not null)
        {
            _protocol.OnDrain();
        }
        else
        {
            Close(); // nothing was asked yet
        }
    }

    public void OnAbort()
    {
        if (_protocol is not null)
        {
            _protocol.OnAbort();
            return;
        }

        _inner.Abort();
        Close();
    }

    public void OnClosed()
    {
        Set(State.Closed);
        _input.Release(Loop.Blocks);
        StopWaiting();
        ExitLimit();
        if (_acceptor.Gate.Proxy is { } proxy && !Has(State.Reported))
        {
            Report(proxy, ProxyProtocolOutcome.Closed);
        }

        _protocol?.OnClosed();
    }

    private bool Has(State bit) => (Volatile.Read(ref _state) & (int)bit) != 0;

    private void Set(State bit) => Interlocked.Or(ref _state, (int)bit);

    private void Clear(State bit) => Interlocked.And(ref _state, ~(int)bit);
}
