namespace Aeronet.Transport.Connections;

/// <summary>The protocol on one connection. All calls come from the connection's loop, one at a time.</summary>
internal interface IConnectionHandler
{
    /// <summary>Bytes, end of stream or an error can be received. Edge-triggered: receive until a short read or would-block, or call <see cref="TransportConnection.RequeueReadable"/>.</summary>
    /// <param name="peerClosed">EPOLLRDHUP was seen: a short read is not the end, receive until end of stream.</param>
    void OnReadable(bool peerClosed);

    /// <summary>The socket takes bytes again after <see cref="TransportConnection.NotifyWhenWritable"/>.</summary>
    void OnWritable();

    /// <summary>EPOLLERR or EPOLLHUP: the connection is dead in both directions. Called once, also while the handler is not receiving; the handler closes when it can.</summary>
    void OnReset();

    /// <summary>The deadline has passed.</summary>
    void OnDeadline(long nowMs);

    /// <summary>Answers <see cref="TransportConnection.Post"/>.</summary>
    void OnPosted();

    /// <summary>The server stops: finish what runs, start nothing new, then close. At most once per connection.</summary>
    void OnDrain();

    /// <summary>The server's patience is over: abort now; close as soon as no other thread is inside a call.</summary>
    void OnAbort();

    /// <summary>The descriptor is closed. Exactly once, last.</summary>
    void OnClosed();
}

/// <summary>Makes the handler of each accepted connection of an endpoint.</summary>
internal interface IConnectionAcceptor
{
    /// <summary>Called on the connection's loop. Null refuses: the connection is closed without a byte.</summary>
    /// <remarks>The loop calls <see cref="IConnectionHandler.OnReadable"/> right after a successful accept (bytes are often there already).</remarks>
    IConnectionHandler? Accept(TransportConnection connection);
}
