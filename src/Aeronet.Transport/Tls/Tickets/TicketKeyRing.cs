using System;
using System.Diagnostics;
using System.Threading;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>The ticket keys of one server, for all its loops: reads take no lock, changes come by timer and wipe what they replace, on an idle server, too.</summary>
/// <remarks>Survives every change of certificates, so that clients go on resuming. Any thread.</remarks>
internal sealed class TicketKeyRing : ITicketKeySource, IDisposable
{
    /// <summary>After a failure the source is asked again this much later; the keys known so far go on.</summary>
    private static readonly TimeSpan s_retryDelay = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan s_timerMax = TimeSpan.FromDays(30); // timers take at most 49 days; a look too many does no harm

    private readonly ITicketKeySchedule _schedule;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly ITimer _timer;

    private volatile TicketKeySet _keys = TicketKeySet.Empty;
    private bool _disposed; // under _gate

    /// <summary>Takes the first keys.</summary>
    /// <exception cref="System.IO.IOException">A key file cannot be read.</exception>
    /// <exception cref="System.IO.InvalidDataException">A key file holds something else.</exception>
    public TicketKeyRing(ITicketKeySchedule schedule, TimeProvider time, ILogger logger)
    {
        _schedule = schedule;
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static ring => ((TicketKeyRing)ring!).Refresh(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        try
        {
            lock (_gate)
            {
                Take();
            }
        }
        catch
        {
            _timer.Dispose();
            throw;
        }
    }

    public TimeSpan TicketLifetime => _schedule.TicketLifetime;

    /// <summary>Keys known now, for messages and tests.</summary>
    internal TicketKeySet Keys => _keys;

    public int CopyCurrent(Span<byte> name, Span<byte> aesKey, Span<byte> hmacKey)
    {
        // Wiped while it was read: rotation has put another in its place before that.
        TicketKeySet keys = _keys;
        while (keys.Current is { } current)
        {
            current.Name.CopyTo(name);
            if (current.TryCopy(aesKey, hmacKey, out int keyLength))
            {
                return keyLength;
            }
            TicketKeySet seen = _keys;
            if (ReferenceEquals(seen, keys))
            {
                break;
            }
            keys = seen;
        }
        return 0;
    }

    public int CopyByName(ReadOnlySpan<byte> name, Span<byte> aesKey, Span<byte> hmacKey, out bool isCurrent)
    {
        TicketKeySet keys = _keys;
        TicketKey? key = keys.Find(name);
        isCurrent = key is not null && ReferenceEquals(key, keys.Current);
        return key is not null && key.TryCopy(aesKey, hmacKey, out int keyLength) ? keyLength : 0;
    }

    /// <summary>Asks the source now: for the timer, and when a key file has changed. A failure is logged, and what was known goes on.</summary>
    /// <returns>False when the source failed.</returns>
    public bool Refresh()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return true;
            }
            try
            {
                Take();
                return true;
            }
#pragma warning disable CA1031 // Whatever a key store throws: resumption goes on with the keys at hand.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                TlsServiceLog.TicketKeysNotRefreshed(_logger, failure);
                _timer.Change(s_retryDelay, Timeout.InfiniteTimeSpan);
                return false;
            }
        }
    }

    /// <summary>Wipes all keys; no tickets from now on.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            TicketKeySet last = _keys;
            _keys = TicketKeySet.Empty;
            foreach (TicketKey key in last.Keys)
            {
                key.Wipe();
            }
        }
        _timer.Dispose();
    }

    private void Take()
    {
        Debug.Assert(_gate.IsHeldByCurrentThread);
        TicketKeySet previous = _keys;
        TicketKeySet keys = _schedule.GetKeys(_time, previous, out TimeSpan? next);
        Debug.Assert(next is null || next > TimeSpan.Zero);
        _keys = keys;
        foreach (TicketKey key in previous.Keys)
        {
            if (!keys.Contains(key))
            {
                key.Wipe();
            }
        }
        if (next is { } delay)
        {
            _timer.Change(delay < s_timerMax ? delay : s_timerMax, Timeout.InfiniteTimeSpan);
        }
        if (!ReferenceEquals(keys.Current, previous.Current))
        {
            TlsServiceLog.TicketKeysChanged(_logger, keys.Keys.Length);
        }
    }
}
