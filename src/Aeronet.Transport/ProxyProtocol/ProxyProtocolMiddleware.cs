using System;
using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Aeronet.Transport.ProxyProtocol;

/// <summary>Connection middleware: takes the PROXY header off the front of a connection and tells everything behind who the client is.</summary>
internal sealed class ProxyProtocolMiddleware
{
    private readonly ConnectionDelegate _next;
    private readonly ProxyProtocolLayer _layer;
    private readonly ProxyProtocolOptions _options;

    public ProxyProtocolMiddleware(ConnectionDelegate next, ProxyProtocolLayer layer)
    {
        _next = next;
        _layer = layer;
        _options = layer.Options;
    }

    public async Task OnConnectionAsync(ConnectionContext context)
    {
        ProxyProtocolOutcome outcome = _options.IsTrusted(context.RemoteEndPoint) ? await ReadHeaderAsync(context).ConfigureAwait(false) : ProxyProtocolOutcome.Untrusted;
        if (_layer.IsReported(outcome))
        {
            _layer.Report(context.ConnectionId, outcome);
        }

        if (_layer.IsPassed(outcome))
        {
            await _next(context).ConfigureAwait(false);
        }
        else if (outcome != ProxyProtocolOutcome.Closed)
        {
            context.Abort(new ConnectionAbortedException($"PROXY protocol: {outcome}.")); // nothing can be answered: the bytes behind are of an unknown protocol
        }
    }

    private async Task<ProxyProtocolOutcome> ReadHeaderAsync(ConnectionContext context)
    {
        CancellationToken stop = context.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(_options.Timeout);
        PipeReader input = context.Transport.Input;
        try
        {
            while (true)
            {
                ReadResult read = await input.ReadAsync(patience.Token).ConfigureAwait(false);
                ReadOnlySequence<byte> buffer = read.Buffer;
                ProxyProtocolStatus status = Parse(buffer, out ProxyProtocolHeader? header, out int consumed);
                if (header is not null)
                {
                    input.AdvanceTo(buffer.GetPosition(consumed));
                    Apply(context, header);
                    return ProxyProtocolOutcome.Read;
                }
                if (status == ProxyProtocolStatus.NeedMore && !read.IsCompleted)
                {
                    input.AdvanceTo(buffer.Start, buffer.End);
                    continue;
                }
                input.AdvanceTo(buffer.Start); // not ours: whoever comes behind sees it all
                return status switch
                {
                    ProxyProtocolStatus.Absent => ProxyProtocolOutcome.Absent,
                    ProxyProtocolStatus.TooLarge => ProxyProtocolOutcome.TooLarge,
                    ProxyProtocolStatus.Malformed => ProxyProtocolOutcome.Malformed,
                    _ => ProxyProtocolOutcome.Closed,
                };
            }
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            return stop.IsCancellationRequested ? ProxyProtocolOutcome.Closed : ProxyProtocolOutcome.TimedOut; // a stop waits for nobody who has said nothing
        }
        catch (Exception exception) when (exception is System.IO.IOException or ConnectionAbortedException)
        {
            return ProxyProtocolOutcome.Closed; // reset by the peer, or the server stops
        }
    }

    private ProxyProtocolStatus Parse(in ReadOnlySequence<byte> buffer, out ProxyProtocolHeader? header, out int consumed)
    {
        if (buffer.IsSingleSegment)
        {
            return ProxyProtocolParser.Parse(buffer.FirstSpan, _options.MaxHeaderSize, out header, out consumed);
        }
        ReadOnlySequence<byte> front = buffer.Slice(0, Math.Min(buffer.Length, _options.MaxHeaderSize));
        return ProxyProtocolParser.Parse(front.ToArray(), _options.MaxHeaderSize, out header, out consumed);
    }

    private static void Apply(ConnectionContext context, ProxyProtocolHeader header)
    {
        context.Features.Set<IProxyProtocolFeature>(new ProxyProtocolFeature(header, context.RemoteEndPoint));
        if (header.Source is null)
        {
            return;
        }
        context.RemoteEndPoint = header.Source;
        context.LocalEndPoint = header.Destination ?? context.LocalEndPoint;
        if (context.Features.Get<IConnectionEndPointFeature>() is { } feature)
        {
            feature.RemoteEndPoint = context.RemoteEndPoint;
            feature.LocalEndPoint = context.LocalEndPoint;
        }
    }
}

/// <summary>What became of a connection's header: the values of the metric's tag.</summary>
internal enum ProxyProtocolOutcome
{
    Read,

    /// <summary>The peer is outside of the trusted networks.</summary>
    Untrusted,

    /// <summary>The connection begins with something else.</summary>
    Absent,

    Malformed,

    TooLarge,

    TimedOut,

    /// <summary>The connection ended before the header did.</summary>
    Closed,
}
