using System.Threading;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Gate;

/// <summary>Puts a gate between the connections of an endpoint and what follows: TLS, or the protocol.</summary>
/// <param name="gate">What stands there.</param>
/// <param name="next">Asked when the gate opens.</param>
/// <param name="waitingMax">Connections that may wait for their header at once; null: any number.</param>
internal sealed class GateAcceptor(ConnectionGate gate, IConnectionAcceptor next, long? waitingMax = null) : IConnectionAcceptor
{
    private long _waiting; // any thread, interlocked

    public ConnectionGate Gate => gate;

    public IConnectionAcceptor Next => next;

    /// <summary>Connections that wait for their header now.</summary>
    public long WaitingCount => Interlocked.Read(ref _waiting);

    public IConnectionHandler? Accept(TransportConnection connection)
    {
        GatedConnection gated = new(connection, this);
        return gated.Begin() ? gated : null;
    }

    /// <summary>A connection begins to wait; false: too many do.</summary>
    public bool TryEnterWaiting()
    {
        if (Interlocked.Increment(ref _waiting) <= (waitingMax ?? long.MaxValue))
        {
            return true;
        }

        ExitWaiting();
        return false;
    }

    public void ExitWaiting() => Interlocked.Decrement(ref _waiting);
}
