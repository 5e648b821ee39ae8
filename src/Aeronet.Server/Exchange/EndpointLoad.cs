using System;
using System.Runtime.CompilerServices;
using System.Threading;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Server.Exchange;

/// <summary>What one endpoint's synchronous part has cost its loops, and whether it therefore leaves the loop's thread as soon as routing has found it.</summary>
/// <remarks>
/// A share of the calls decides, not a count: an innocent endpoint that is called a hundred thousand times a second meets a descheduled thread or a
/// collection now and then, and sending it away would make every one of its calls dearer. Away from the loop every call is measured, so that an
/// endpoint that has become quick (its first calls were compiled, its database is back) returns without anybody having to wait for a trial.
/// Each return makes the next move harder. Plain fields: several loops count at once, and a lost count changes nothing.
/// </remarks>
internal sealed class EndpointLoad
{
    private const int HandOffsMin = 3; // of an endpoint that always blocks, the first three calls cost their neighbours something
    private const int ShareMin = 20; // one call in twenty
    private const int ReturnShare = 40; // fewer than one slow call in forty
    private const int CallsPerWindow = 1024; // of an inline endpoint: older counts fade
    private const int MeasuredMin = 64;
    private const int ReturnsMax = 6; // thresholds double up to here

    private readonly EndpointLoads _owner;
    private readonly string _name;
    private readonly ApplicationMode? _fixedMode;
    private int _calls;
    private int _handOffs;
    private int _slow;
    private int _returns;
    private bool _isMoved;
    private bool _isReported;

    public EndpointLoad(EndpointLoads owner, Endpoint endpoint)
        : this(owner, endpoint.DisplayName ?? "(unnamed)")
    {
        _fixedMode = endpoint.Metadata.GetMetadata<IApplicationModeMetadata>()?.ApplicationMode;
        _isMoved = _fixedMode == ApplicationMode.ThreadPool;
    }

    public EndpointLoad(EndpointLoads owner, string name)
    {
        _owner = owner;
        _name = name;
    }

    /// <summary>Calls leave the loop's thread when routing has found the endpoint. Any thread.</summary>
    public bool RunsElsewhere => Volatile.Read(ref _isMoved);

    /// <summary>A call on the loop's thread has come to the endpoint.</summary>
    public void OnCall()
    {
        if (RunsElsewhere)
        {
            return; // counted when it returns
        }

        if (++_calls >= CallsPerWindow)
        {
            _calls /= 2;
            _handOffs /= 2;
        }
    }

    /// <summary>A call has lost its loop because it did not return.</summary>
    public void OnHandedOff()
    {
        _handOffs++;
        if (_fixedMode is null && !_isMoved && _handOffs >= HandOffsMin << Math.Min(_returns, ReturnsMax) && _handOffs * ShareMin >= _calls)
        {
            Move();
        }
    }

    /// <summary>The synchronous part of a call that had left the loop has returned.</summary>
    public void OnReturned(TimeSpan elapsed)
    {
        if (_fixedMode is not null || !RunsElsewhere)
        {
            return; // the endpoint has returned while this call was out
        }

        _slow += elapsed >= _owner.HandOffTime ? 1 : 0;
        if (++_calls < MeasuredMin << Math.Min(_returns, ReturnsMax))
        {
            return;
        }

        if (_slow * ReturnShare < _calls && Interlocked.Exchange(ref _isMoved, false)) // of several calls that return at once one brings it back
        {
            _returns++;
            _owner.CountMoved(-1);
        }

        Restart();
    }

    private void Move()
    {
        if (Interlocked.Exchange(ref _isMoved, true))
        {
            return;
        }

        _owner.CountMoved(1);
        if (!_isReported)
        {
            _isReported = true;
            Guard.Run(() => _owner.Log.EndpointMoved(_name, _handOffs, _calls, _owner.HandOffTime.TotalMilliseconds));
        }

        Restart();
    }

    private void Restart()
    {
        _calls = 0;
        _handOffs = 0;
        _slow = 0;
    }
}

/// <summary>The <see cref="EndpointLoad"/> of every endpoint that has been called. Any thread.</summary>
internal sealed class EndpointLoads
{
    private readonly ServerMetrics _metrics;
    private readonly ConditionalWeakTable<Endpoint, EndpointLoad> _loads = new(); // dynamic endpoints come and go

    public EndpointLoads(GeneralLog log, ServerMetrics metrics, TimeSpan handOffTime)
    {
        Log = log;
        _metrics = metrics;
        HandOffTime = handOffTime;
        Unrouted = new EndpointLoad(this, "(requests before or without an endpoint)");
    }

    public GeneralLog Log { get; }

    public TimeSpan HandOffTime { get; }

    /// <summary>What requests do before routing has found their endpoint, or without any: slow middleware, applications without endpoints.</summary>
    public EndpointLoad Unrouted { get; }

    public EndpointLoad Of(Endpoint endpoint) =>
        _loads.TryGetValue(endpoint, out EndpointLoad? load) ? load : _loads.GetValue(endpoint, made => new EndpointLoad(this, made));

    public void CountMoved(int change) => Guard.Run(() => _metrics.EndpointsMoved(change)); // told on a loop's thread
}
