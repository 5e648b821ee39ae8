using System;
using System.IO.Pipelines;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.BenchApp;

/// <summary>With <c>--echo true</c>: connections whose first bytes are a response are echoed, below HTTP; the others are HTTP's.</summary>
internal static class EchoConnections
{
    public static void Use(KestrelServerOptions kestrel) => kestrel.ConfigureEndpointDefaults(static endpoint =>
        endpoint.Use(static next => connection => RunAsync(connection, next)));

    private static async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        ReadResult first = await connection.Transport.Input.ReadAtLeastAsync(5);
        bool isEcho = first.Buffer.FirstSpan.StartsWith("HTTP/"u8);
        connection.Transport.Input.AdvanceTo(first.Buffer.Start);
        if (!isEcho)
        {
            await next(connection);
            return;
        }

        while (true)
        {
            ReadResult read = await connection.Transport.Input.ReadAsync();
            foreach (ReadOnlyMemory<byte> piece in read.Buffer)
            {
                await connection.Transport.Output.WriteAsync(piece);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }
}
