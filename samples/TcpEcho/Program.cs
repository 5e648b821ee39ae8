using System;
using System.IO.Pipelines;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

// A raw TCP echo: nc 127.0.0.1 8007
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.WebHost.UseAeronetTransport();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(
    int.Parse(builder.Configuration["port"] ?? "8007", System.Globalization.CultureInfo.InvariantCulture),
    endpoint => endpoint.UseConnectionHandler<EchoHandler>()));
builder.Build().Run();

internal sealed class EchoHandler : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
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
