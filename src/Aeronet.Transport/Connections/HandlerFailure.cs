using System;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Connections;

/// <summary>A connection whose handler is foreign enough to throw. Loop only.</summary>
internal interface IHandledConnection
{
    bool IsClosed { get; }

    /// <summary><see cref="IConnectionHandler.OnReset"/> was called.</summary>
    bool HasHeardOfReset { get; }

    void DeliverReset();
}

/// <summary>What an exception of a connection's handler costs: that connection, and nothing else.</summary>
internal static class HandlerFailure
{
    public static void End<TConnection>(TConnection connection, ILoopHost host, Exception exception)
        where TConnection : TransportConnection, IHandledConnection
    {
        host.ReportHandlerFailure(connection, exception);
        if (connection.IsClosed)
        {
            return;
        }
        connection.Abort();
        if (connection.HasHeardOfReset)
        {
            connection.Close();
            return;
        }
        // Not closed over the handler's head: another thread may be inside a call, and the descriptor's number would soon be another connection's.
        try
        {
            connection.DeliverReset();
        }
        catch (Exception again)
        {
            host.ReportHandlerFailure(connection, again);
            if (!connection.IsClosed)
            {
                connection.Close();
            }
        }
    }
}
