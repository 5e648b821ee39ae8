using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Aeronet.AB.Load;

/// <summary>The built-in load client: every connection of a run on one thread over one edge-triggered epoll set.</summary>
/// <remarks>Costs one send, one receive and its share of an epoll wait per request, so that it seldom is the bottleneck on a core of its own; <see cref="Usage"/> says when it was.</remarks>
internal sealed unsafe class LoadLoop : IDisposable
{
    private const int ReceiveBytes = 256 * 1024;
    private const int UnansweredMillisecondsMax = 10_000;
    private readonly int _port;
    private readonly LoadGroup[] _groups;
    private readonly Schedule[] _schedules;
    private readonly List<LoadConnection> _connections = [];
    private readonly Libc.Poller _poller = new();
    private readonly byte[] _buffer = GC.AllocateArray<byte>(ReceiveBytes, pinned: true);
    private readonly bool _ownsCore;
    private readonly TlsClient? _tls; // Non-null when the groups are encrypted; all of them are, then.
    private bool _isStopping;
    private int _unanswered; // connections with requests on the way

    /// <param name="port">On 127.0.0.1.</param>
    /// <param name="ownsCore">Whether spinning for the next due request disturbs nobody.</param>
    /// <param name="groups">What to send.</param>
    public LoadLoop(int port, bool ownsCore, params LoadGroup[] groups)
    {
        _port = port;
        _ownsCore = ownsCore;
        _tls = groups[0].Request.Tls == TlsUse.None ? null : new TlsClient(groups[0].Request.Tls);
        _groups = groups;
        _schedules = new Schedule[groups.Length];
        for (int group = 0; group < groups.Length; group++)
        {
            byte[] output = GC.AllocateUninitializedArray<byte>(groups[group].Request.Bytes.Length * groups[group].Request.Pipeline, pinned: true);
            for (int copy = 0; copy < groups[group].Request.Pipeline; copy++)
            {
                groups[group].Request.Bytes.Span.CopyTo(output.AsSpan(copy * groups[group].Request.Bytes.Length));
            }

            _schedules[group] = new Schedule { FirstConnection = _connections.Count };
            for (int index = 0; index < groups[group].Connections; index++)
            {
                _connections.Add(new LoadConnection(groups[group], output));
            }
        }
    }

    private struct Schedule
    {
        public int FirstConnection;
        public long Issued; // requests that have become due since the run began
    }

    /// <summary>Share of the last run's time in which this thread used the processor, 0 to 1. Means nothing for runs at a rate, which may spin.</summary>
    public double Usage { get; private set; }

    /// <summary>The last run's time up to its last response.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <summary>Connects everything, at most 128 connections under way at a time so that no backlog overflows.</summary>
    public void Open()
    {
        const int underWayMax = 128;
        _isStopping = true; // nothing is sent yet
        int started = 0, open = 0;
        long giveUpAt = Environment.TickCount64 + 60_000;
        while (open < _connections.Count)
        {
            while (started < _connections.Count && started - open < underWayMax)
            {
                Connect(started++);
            }

            int count = _poller.Wait(100);
            for (int index = 0; index < count; index++)
            {
                (uint events, int key) = _poller[index];
                if ((events & (Libc.EpollError | Libc.EpollHangUp)) != 0)
                {
                    throw new InvalidOperationException($"connection {key} to port {_port} failed");
                }

                if ((events & Libc.EpollOut) != 0 && !_connections[key].IsOpen)
                {
                    _connections[key].IsOpen = true;
                    open++;
                }
            }

            if (Environment.TickCount64 > giveUpAt)
            {
                throw new InvalidOperationException($"only {open} of {_connections.Count} connections to port {_port} were accepted in a minute");
            }
        }
    }

    /// <summary>Sends one request on every connection, at most so many under way at a time, and waits for all responses.</summary>
    public void RequestOnce(int underWayMax)
    {
        ClearResults();
        long giveUpAt = Environment.TickCount64 + 60_000;
        for (int key = 0; (key < _connections.Count || _unanswered > 0) && Environment.TickCount64 < giveUpAt;)
        {
            _isStopping = false;
            while (key < _connections.Count && _unanswered < underWayMax)
            {
                SendNext(key++, Stopwatch.GetTimestamp());
            }

            _isStopping = true; // an answer is not followed by another request
            HandleEvents(100);
        }

        CountUnanswered(Stopwatch.GetTimestamp());
    }

    /// <summary>Sends for the given time, then waits for the responses still on the way.</summary>
    public void Run(TimeSpan duration)
    {
        ClearResults();
        TimeSpan cpuBefore = Libc.ThreadCpuTime();
        long start = Stopwatch.GetTimestamp();
        long end = start + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        _isStopping = false;
        for (int key = 0; key < _connections.Count; key++)
        {
            _connections[key].Due = 0;
            if (_connections[key].Group.RatePerSecond is null)
            {
                SendNext(key, start);
            }
        }

        for (int group = 0; group < _groups.Length; group++)
        {
            _schedules[group].Issued = 0;
        }

        long now = start;
        while (now < end)
        {
            long nextDue = SendDue(start, now);
            HandleEvents(WaitMilliseconds(now, Math.Min(end, nextDue)));
            now = Stopwatch.GetTimestamp();
        }

        _isStopping = true;
        long giveUpAt = now + (UnansweredMillisecondsMax * Stopwatch.Frequency / 1000);
        while (_unanswered > 0 && now < giveUpAt)
        {
            HandleEvents(100);
            now = Stopwatch.GetTimestamp();
        }

        CountUnanswered(now);
        Elapsed = Stopwatch.GetElapsedTime(start, now);
        Usage = (Libc.ThreadCpuTime() - cpuBefore) / Elapsed;
    }

    public void Dispose()
    {
        foreach (LoadConnection connection in _connections)
        {
            if (connection.Socket >= 0)
            {
                EndTls(connection);
                Libc.Close(connection.Socket);
                connection.Socket = -1;
            }
        }

        _tls?.Dispose();

        _poller.Dispose();
    }

    private void ClearResults()
    {
        foreach (LoadGroup group in _groups)
        {
            group.ClearResults();
        }
    }

    // A spinning loader sees the due time to the microsecond; a sleeping one only to epoll's millisecond.
    private int WaitMilliseconds(long now, long until)
    {
        long milliseconds = (until - now) * 1000 / Stopwatch.Frequency;
        return milliseconds <= 0 ? (_ownsCore ? 0 : 1) : (int)Math.Min(milliseconds, 100);
    }

    /// <summary>Hands every request that has become due to its connection; returns when the next one is.</summary>
    private long SendDue(long start, long now)
    {
        long nextDue = long.MaxValue;
        for (int index = 0; index < _groups.Length; index++)
        {
            LoadGroup group = _groups[index];
            if (group.RatePerSecond is not { } rate)
            {
                continue;
            }

            ref Schedule schedule = ref _schedules[index];
            double ticksApart = Stopwatch.Frequency / rate;
            long dueAt;
            while ((dueAt = start + (long)(schedule.Issued * ticksApart)) <= now)
            {
                int key = schedule.FirstConnection + (int)(schedule.Issued % group.Connections);
                LoadConnection connection = _connections[key];
                if (connection.Due == 0)
                {
                    connection.NextDueAt = dueAt;
                    connection.DueApart = ticksApart * group.Connections;
                }

                connection.Due++;
                schedule.Issued++;
                if (connection.Awaited == 0)
                {
                    SendNext(key, now);
                }
            }

            nextDue = Math.Min(nextDue, dueAt);
        }

        return nextDue;
    }

    private void HandleEvents(int timeoutMilliseconds)
    {
        int count = _poller.Wait(timeoutMilliseconds);
        for (int index = 0; index < count; index++)
        {
            (uint events, int key) = _poller[index];
            LoadConnection connection = _connections[key];
            if ((events & Libc.EpollOut) != 0 && (!connection.IsOpen || connection.OutputLeft > 0))
            {
                connection.IsOpen = true;
                Flush(key);
            }

            if (connection.Ssl != 0 && connection.OutputLeft > 0)
            {
                Flush(key); // the handshake has answers to wait for before the request goes out
            }

            if ((events & (Libc.EpollIn | Libc.EpollError | Libc.EpollHangUp)) != 0)
            {
                Receive(key);
            }
        }
    }

    private void Receive(int key)
    {
        LoadConnection connection = _connections[key];
        byte* buffer = (byte*)Unsafe.AsPointer(ref _buffer[0]);
        while (true)
        {
            int received = connection.Ssl != 0 ? TlsClient.Receive(connection.Ssl, buffer, ReceiveBytes) : Libc.Receive(connection.Socket, buffer, ReceiveBytes);
            if (received == Libc.TryAgain)
            {
                return;
            }

            if (received <= 0)
            {
                OnLost(key, received == 0 ? "the server closed the connection" : "the connection was reset");
                return;
            }

            int ended = connection.Responses.Read(_buffer.AsSpan(0, received));
            if (connection.Responses.Failed || ended > connection.Awaited)
            {
                OnLost(key, "bytes that are no response to what was asked");
                return;
            }

            if (ended > 0 && !OnResponses(key, ended))
            {
                return;
            }

            if (received < ReceiveBytes && connection.Ssl == 0)
            {
                return; // edge-triggered: a short read has drained the socket, what comes later is a new edge
            }
        }
    }

    /// <summary>False when the connection was closed and opened anew.</summary>
    private bool OnResponses(int key, int ended)
    {
        LoadConnection connection = _connections[key];
        LoadGroup group = connection.Group;
        long now = Stopwatch.GetTimestamp();
        for (int response = 0; response < ended; response++)
        {
            group.Latency.Record(now - connection.StartedAt);
        }

        group.Requests += ended;
        connection.Done += ended;
        connection.Awaited -= ended;
        if (connection.Awaited > 0)
        {
            return true;
        }

        _unanswered--;
        if (connection.Responses.Refusals > 0)
        {
            group.Errors += connection.Responses.Refusals;
            group.FirstError ??= "a status other than 2xx";
            connection.Responses.Reset();
        }

        if (group.Request.PerConnection > 0 && connection.Done >= group.Request.PerConnection)
        {
            group.Resumed += connection.Ssl != 0 && TlsClient.IsResumed(connection.Ssl) ? 1 : 0;
            Reconnect(key);
            SendNext(key, now);
            return false;
        }

        SendNext(key, now);
        return true;
    }

    private void SendNext(int key, long now)
    {
        LoadConnection connection = _connections[key];
        LoadGroup group = connection.Group;
        if (_isStopping || connection.Awaited > 0 || connection.Socket < 0)
        {
            return;
        }

        int requests = group.Request.Pipeline;
        if (group.Request.PerConnection > 0)
        {
            requests = Math.Min(requests, group.Request.PerConnection - connection.Done);
        }

        connection.StartedAt = now;
        if (group.RatePerSecond is not null)
        {
            if (connection.Due == 0)
            {
                return;
            }

            requests = 1;
            connection.Due--;
            connection.StartedAt = connection.NextDueAt;
            connection.NextDueAt += (long)connection.DueApart;
        }

        Debug.Assert(requests > 0);
        _unanswered++;
        connection.Awaited = requests;
        connection.OutputAt = 0;
        connection.OutputLeft = requests * group.Request.Bytes.Length;
        if (connection.IsOpen)
        {
            Flush(key);
        }
    }

    private void Flush(int key)
    {
        LoadConnection connection = _connections[key];
        byte* output = (byte*)Unsafe.AsPointer(ref connection.Output[0]);
        while (connection.OutputLeft > 0)
        {
            int sent = connection.Ssl != 0
                ? TlsClient.Send(connection.Ssl, output + connection.OutputAt, connection.OutputLeft)
                : Libc.Send(connection.Socket, output + connection.OutputAt, connection.OutputLeft);
            if (sent < 0)
            {
                return; // full: EPOLLOUT tells; broken: EPOLLERR tells, after what the server said before is read
            }

            connection.OutputAt += sent;
            connection.OutputLeft -= sent;
        }
    }

    private void OnLost(int key, string why)
    {
        LoadConnection connection = _connections[key];
        if (connection.Awaited > 0)
        {
            connection.Group.Errors += connection.Awaited;
            connection.Group.FirstError ??= why;
            connection.Awaited = 0;
            _unanswered--;
        }
        else
        {
            connection.Group.ClosedIdle++;
        }

        Reconnect(key);
        SendNext(key, Stopwatch.GetTimestamp());
    }

    private void Reconnect(int key)
    {
        EndTls(_connections[key]);
        Libc.Close(_connections[key].Socket);
        Connect(key);
    }

    private static void EndTls(LoadConnection connection)
    {
        if (connection.Ssl != 0)
        {
            TlsClient.End(connection.Ssl);
            connection.Ssl = 0;
        }
    }

    private void Connect(int key)
    {
        LoadConnection connection = _connections[key];
        connection.Restart(Libc.BeginConnect(_port));
        if (connection.Socket >= 0)
        {
            connection.Ssl = _tls?.Begin(connection.Socket) ?? 0;
            _poller.Add(connection.Socket, key);
        }
        else
        {
            connection.Group.Errors++;
            connection.Group.FirstError ??= "no local port or descriptor was left";
        }
    }

    private void CountUnanswered(long now)
    {
        for (int key = 0; key < _connections.Count && _unanswered > 0; key++)
        {
            LoadConnection connection = _connections[key];
            if (connection.Awaited > 0)
            {
                connection.Group.Latency.Record(now - connection.StartedAt);
                OnLost(key, "no response within ten seconds after the run");
            }
        }
    }
}
