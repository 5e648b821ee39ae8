using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Text;
using System.Threading;
using Aeronet.Transport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Win32.SafeHandles;

#pragma warning disable CA1001 // the MemoryStream holds memory only

namespace Aeronet.TestSupport.Connections;

/// <summary>A connection whose peer is the test: it says which bytes each receive finds and how many each send takes.</summary>
/// <remarks>Keeps epoll's edge-triggered promise: <see cref="Arrive"/> announces once; what the protocol leaves in the socket is not announced again.</remarks>
internal sealed class ScriptedConnection : TransportConnection
{
    private readonly ScriptedLoop _loop;
    private readonly Queue<byte[]> _incoming = new();
    private readonly MemoryStream _sent = new();
    private readonly FeatureCollection _features = new();
    private IConnectionHandler? _handler;
    private long _deadlineMs = long.MaxValue;
    private bool _requeued;
    private bool _wantsWritable;

    public ScriptedConnection(ScriptedLoop loop)
        : base(loop) => _loop = loop;

    public override EndPoint? LocalEndPoint => new IPEndPoint(IPAddress.Loopback, 80);

    public override EndPoint? RemoteEndPoint => new IPEndPoint(IPAddress.Loopback, 12345);

    public override IFeatureCollection Features => _features;

    public override long DeadlineMs => _deadlineMs;

    /// <summary>Bytes the socket takes before it is full; grows by <see cref="MakeRoom"/>.</summary>
    public long SendRoom { get; set; } = long.MaxValue;

    /// <summary>At most this many bytes go with one send, however much room there is.</summary>
    public int SendMax { get; set; } = int.MaxValue;

    /// <summary>At most this many bytes come with one receive, however many are there.</summary>
    public int ReceiveMax { get; set; } = int.MaxValue;

    /// <summary>What every send throws: a fault in our own code below the protocol.</summary>
    public Exception? SendFault { get; set; }

    /// <summary>Files are sent by the connection itself, as by the kernel's sockets.</summary>
    public bool SendsFilesItself { get; set; }

    /// <summary>How sending from a file fails.</summary>
    public IoError FileError { get; set; }

    /// <summary>Runs before each attempt to send from a file, on the sender's thread.</summary>
    public Action? BeforeSendFile { get; set; }

    public int FileCalls { get; private set; }

    /// <summary>The protocol has met a full socket and is told by <see cref="MakeRoom"/>.</summary>
    public bool WaitsForRoom => Volatile.Read(ref _wantsWritable);

    public int SendCalls { get; private set; }

    public int ReceiveCalls { get; private set; }

    public bool IsClosed { get; private set; }

    public bool IsAborted { get; private set; }

    public bool IsSendShutDown { get; private set; }

    public bool PeerHasClosed { get; private set; }

    /// <summary>Everything sent so far, as Latin-1.</summary>
    public string Sent
    {
        get
        {
            lock (_sent)
            {
                return Encoding.Latin1.GetString(_sent.ToArray());
            }
        }
    }

    public void Use(IConnectionHandler handler) => _handler = handler;

    public IConnectionHandler? Handler => _handler;

    public void ClearSent()
    {
        lock (_sent)
        {
            _sent.SetLength(0);
            SendCalls = 0;
        }
    }

    // ---- The peer ----------------------------------------------------------------------------------------

    /// <summary>Bytes arrive and epoll announces them.</summary>
    public void Arrive(string bytes) => Arrive(Encoding.Latin1.GetBytes(bytes));

    public void Arrive(byte[] bytes)
    {
        lock (_incoming)
        {
            _incoming.Enqueue(bytes);
        }

        Announce();
    }

    /// <summary>FIN arrives behind the bytes that are there.</summary>
    public void CloseFromPeer()
    {
        PeerHasClosed = true;
        Announce();
    }

    /// <summary>Bytes and FIN arrive together: one edge.</summary>
    public void CloseFromPeerWith(string bytes)
    {
        lock (_incoming)
        {
            _incoming.Enqueue(Encoding.Latin1.GetBytes(bytes));
        }

        CloseFromPeer();
    }

    /// <summary>The socket takes this many bytes more and epoll announces it if somebody waits for it.</summary>
    public void MakeRoom(long bytes)
    {
        SendRoom += bytes;
        if (_wantsWritable && !IsClosed)
        {
            _wantsWritable = false;
            _handler!.OnWritable();
            _loop.RunScheduled();
            RunRequeued();
        }
    }

    public void ResetFromPeer()
    {
        IsAborted = true;
        _handler!.OnReset();
        _loop.RunScheduled();
    }

    /// <summary>Moves the clock; the deadline fires when it is due.</summary>
    public void Advance(long milliseconds)
    {
        _loop.ClockMs += milliseconds;
        while (!IsClosed && _deadlineMs <= _loop.ClockMs)
        {
            _deadlineMs = long.MaxValue;
            _handler!.OnDeadline(_loop.ClockMs);
            _loop.RunScheduled();
        }
    }

    /// <summary>A deadline that has come, and was replaced by another thread after the loop had taken it.</summary>
    public void FireReplacedDeadline()
    {
        _handler!.OnDeadline(_loop.ClockMs);
        _loop.RunScheduled();
    }

    internal void DeliverPosted()
    {
        if (!IsClosed)
        {
            _handler!.OnPosted();
            _loop.RunScheduled();
            RunRequeued();
        }
    }

    private void Announce()
    {
        if (!IsClosed)
        {
            _handler!.OnReadable(PeerHasClosed);
            _loop.RunScheduled();
            RunRequeued();
        }
    }

    private void RunRequeued()
    {
        while (_requeued && !IsClosed)
        {
            _requeued = false;
            _handler!.OnReadable(false);
            _loop.RunScheduled();
        }
    }

    // ---- The protocol's side --------------------------------------------------------------------------------

    public override IoResult Receive(Span<byte> into)
    {
        lock (_incoming)
        {
            ReceiveCalls++;
            if (IsAborted)
            {
                return IoResult.Failed(IoError.ConnectionReset);
            }

            if (_incoming.Count == 0)
            {
                return PeerHasClosed ? IoResult.Transferred(0) : IoResult.WouldBlock;
            }

            // As a socket: everything that is there, whatever the packets were.
            int total = 0;
            while (_incoming.Count > 0 && total < into.Length && total < ReceiveMax)
            {
                byte[] next = _incoming.Peek();
                int count = Math.Min(Math.Min(next.Length, into.Length - total), ReceiveMax - total);
                next.AsSpan(0, count).CopyTo(into[total..]);
                total += count;
                _incoming.Dequeue();
                if (count < next.Length)
                {
                    byte[] rest = next[count..];
                    byte[][] others = [.. _incoming];
                    _incoming.Clear();
                    _incoming.Enqueue(rest);
                    foreach (byte[] other in others)
                    {
                        _incoming.Enqueue(other);
                    }

                    break;
                }
            }

            return IoResult.Transferred(total);
        }
    }

    public override IoResult Send(ReadOnlySpan<byte> bytes)
    {
        lock (_sent)
        {
            SendCalls++;
            if (SendFault is not null)
            {
                throw SendFault;
            }

            if (IsAborted)
            {
                return IoResult.Failed(IoError.ConnectionReset);
            }

            int count = (int)Math.Min(Math.Min(bytes.Length, SendMax), SendRoom);
            if (count == 0)
            {
                return IoResult.WouldBlock;
            }

            SendRoom -= SendRoom == long.MaxValue ? 0 : count;
            _sent.Write(bytes[..count]);
            return IoResult.Transferred(count);
        }
    }

    public override IoResult Send(ReadOnlySpan<ReadOnlyMemory<byte>> segments)
    {
        using MemoryStream all = new();
        foreach (ReadOnlyMemory<byte> segment in segments)
        {
            all.Write(segment.Span);
        }

        return Send(all.ToArray());
    }

    public override bool SendsFiles => SendsFilesItself;

    public override IoResult SendFile(SafeFileHandle file, long offset, int count)
    {
        FileCalls++;
        BeforeSendFile?.Invoke();
        if (FileError != IoError.None)
        {
            return IoResult.Failed(FileError);
        }

        byte[] bytes = new byte[count];
        int read = RandomAccess.Read(file, bytes, offset);
        return read == 0 ? IoResult.Transferred(0) : Send(bytes.AsSpan(0, read));
    }

    public override void NotifyWhenWritable() => Volatile.Write(ref _wantsWritable, true);

    public override void RequeueReadable() => _requeued = true;

    public override void Post() => _loop.Post(this);

    public override void SetDeadline(long deadlineMs) => _deadlineMs = deadlineMs;

    public override void ShutdownSend() => IsSendShutDown = true;

    public override void Abort() => IsAborted = true;

    public override void Close()
    {
        IsClosed = true;
        try
        {
            _handler!.OnClosed();
        }
        catch (Exception exception)
        {
            _loop.Failures.Add(exception); // as the real connection: reported, and closed all the same
        }
    }
}
