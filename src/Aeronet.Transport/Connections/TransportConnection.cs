using System;
using System.Net;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Transport.Connections;

/// <summary>One accepted connection as its protocol (HTTP session, pipe bridge) sees it: non-blocking bytes in, bytes out, a deadline.</summary>
/// <remarks>
/// The protocol pulls: the loop announces readiness (<see cref="IConnectionHandler"/>), the protocol calls <see cref="Receive"/>.
/// Two ownerships, both kept by the protocol: exactly one thread at a time receives, exactly one thread at a time sends.
/// The descriptor stays open until <see cref="Close"/>, which the protocol calls on the loop once no other thread can be inside a call.
/// </remarks>
internal abstract class TransportConnection
{
    private string? _connectionId;

    protected TransportConnection(LoopContext loop) => Loop = loop;

    /// <summary>The loop this connection belongs to for life.</summary>
    public LoopContext Loop { get; }

    /// <summary>13 characters of base 32, made when first asked for.</summary>
    public virtual string ConnectionId => _connectionId ??= MakeConnectionId();

    protected virtual string MakeConnectionId() => CorrelationId.Next();

    /// <summary>What the protocol receives and sends is encrypted on its way.</summary>
    public virtual bool IsTls => false;

    /// <summary>It ended before the protocol could begin. Loop thread only.</summary>
    public virtual bool HasFailedHandshake => false;

    /// <summary>TLS that has certificates and demands by server name. Any thread.</summary>
    public virtual bool HasServerNames => false;

    /// <summary>A request for this host does not belong on this connection: the server name of its handshake has another entry (RFC 9110 15.5.20). Any thread.</summary>
    /// <param name="host">A name without port and without a dot at its end, or an address.</param>
    public virtual bool IsMisdirected(ReadOnlySpan<byte> host) => false;

    public abstract EndPoint? LocalEndPoint { get; }

    public abstract EndPoint? RemoteEndPoint { get; }

    /// <summary>Where it was accepted, whatever a proxy says: what metrics are kept by.</summary>
    public virtual EndPoint? ListenEndPoint => LocalEndPoint;

    /// <summary>The peer's IP address, known from accept on; empty for Unix sockets.</summary>
    public virtual PeerAddress Peer => default;

    /// <summary>Connection-level features, made when first asked for. Any thread while the connection is open.</summary>
    public abstract IFeatureCollection Features { get; }

    /// <summary>One of <see cref="Features"/>; null without making the collection when it could not have this one.</summary>
    public virtual object? FindFeature(Type key) => Features[key];

    /// <summary>The application has asked for the end of the connection (<c>RequestClose</c>) and <see cref="IConnectionHandler.OnDrain"/> is on its way or has been called. Any thread.</summary>
    public virtual bool IsCloseRequested => false;

    /// <summary>Receives what is there, without waiting. Receive owner only.</summary>
    public abstract IoResult Receive(Span<byte> into);

    /// <summary>Sends as much as the socket takes, without waiting. Send owner only.</summary>
    public abstract IoResult Send(ReadOnlySpan<byte> bytes);

    /// <summary>Sends the segments in one call (at most 64 of them are looked at), as much as the socket takes. Send owner only.</summary>
    public abstract IoResult Send(ReadOnlySpan<ReadOnlyMemory<byte>> segments);

    /// <summary>As <see cref="Send(ReadOnlySpan{byte})"/>, when the first <paramref name="retriedBytes"/> of what is to be sent have met a full socket before: they are counted apart. Send owner only.</summary>
    public virtual IoResult SendAgain(ReadOnlySpan<byte> bytes, long retriedBytes) => Send(bytes);

    /// <summary>As <see cref="Send(ReadOnlySpan{ReadOnlyMemory{byte}})"/>, when the first <paramref name="retriedBytes"/> of what is to be sent have met a full socket before: they are counted apart. Send owner only.</summary>
    public virtual IoResult SendAgain(ReadOnlySpan<ReadOnlyMemory<byte>> segments, long retriedBytes) => Send(segments);

    /// <summary><see cref="SendFile"/> may be called. Send owner only.</summary>
    public virtual bool SendsFiles => false;

    /// <summary>Sends from a file, which need not be at this position, as much as the socket takes: end of stream at the end of the file. May wait for the disk: not for the loop's own code, nor under a lock that the loop takes. Send owner only.</summary>
    public virtual IoResult SendFile(SafeFileHandle file, long offset, int count) => throw new NotSupportedException();

    /// <summary>Lets the kernel encrypt what is sent from now on, content and records alike. False: it will not, and the caller goes on as before. Send owner only.</summary>
    /// <param name="key">A <c>tls12_crypto_info</c> of the kernel's, as OpenSSL has filled it.</param>
    public virtual bool TryEncryptSends(ReadOnlySpan<byte> key) => false;

    /// <summary>After <see cref="TryEncryptSends"/>: sends TLS records of another type than application data. Fewer bytes than asked for: the last of them met a full socket. Send owner only.</summary>
    public virtual IoResult SendRecord(byte contentType, ReadOnlySpan<byte> content) => throw new NotSupportedException();

    /// <summary>After <see cref="TryEncryptSends"/>: the socket has room for what the kernel may hold of a record, which leaves at the latest with the next send or the close. Send owner only.</summary>
    public virtual bool IsWritable => throw new NotSupportedException();

    /// <summary>After a send that would block: <see cref="IConnectionHandler.OnWritable"/> is called once the socket takes bytes again. Any thread.</summary>
    /// <remarks>Also called when the socket became writable before this call: no edge is lost.</remarks>
    public abstract void NotifyWhenWritable();

    /// <summary>Calls <see cref="IConnectionHandler.OnReadable"/> again later in this loop turn or the next: for a handler that stopped for fairness. Loop thread only.</summary>
    public abstract void RequeueReadable();

    /// <summary>Calls <see cref="IConnectionHandler.OnPosted"/> on the loop soon. Any thread; several posts may become one call.</summary>
    public abstract void Post();

    /// <summary>Sets the moment for <see cref="IConnectionHandler.OnDeadline"/> in <see cref="LoopContext.NowMs"/> terms, <see cref="long.MaxValue"/> for none. Any thread.</summary>
    /// <remarks>Later than before costs one store; earlier re-links the timer (posted when not on the loop). Fires late by at most one wheel tick, never early.</remarks>
    public abstract void SetDeadline(long deadlineMs);

    /// <summary>The current deadline.</summary>
    public abstract long DeadlineMs { get; }

    /// <summary>Whether <see cref="ShutdownSend"/> can end one direction and leave the other open. Where it cannot, lingering would only keep the peer waiting.</summary>
    public virtual bool CanHalfClose => true;

    /// <summary>Another connection of the same loops is below, and counts what waits for its socket.</summary>
    public virtual bool IsCarried => false;

    /// <summary>Sends FIN after what has been sent. Any thread, while not closed.</summary>
    public abstract void ShutdownSend();

    /// <summary>Ends the connection for the peer at once (TCP: RST), without closing the descriptor: pending and later calls fail or see end of stream. Any thread, while not closed.</summary>
    public abstract void Abort();

    /// <summary>Closes the descriptor and gives the slot back; <see cref="IConnectionHandler.OnClosed"/> follows at once. Loop thread only, once.</summary>
    public abstract void Close();
}
