using System;
using System.Net.WebSockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.SignalR;

namespace Everything;

/// <summary>Connections that stay: a WebSocket echo and a SignalR hub (WebSockets, server-sent events or long polling).</summary>
internal static class Live
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ws", EchoAsync);
        app.MapHub<ChatHub>("/hubs/chat");
    }

    private static async Task EchoAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsync("a WebSocket handshake is expected here\n");
            return;
        }

        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
        byte[] buffer = new byte[4096];
        while (true)
        {
            WebSocketReceiveResult received = await socket.ReceiveAsync(buffer, context.RequestAborted);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseAsync(received.CloseStatus ?? WebSocketCloseStatus.NormalClosure, received.CloseStatusDescription, CancellationToken.None);
                return;
            }

            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, context.RequestAborted);
        }
    }

    private sealed class ChatHub : Hub
    {
        // Called by the page by its name; goes to everybody, the sender included.
        public Task Send(string name, string text) => Clients.All.SendAsync("message", name, text);

        // Answers the caller alone.
        public string Greet(string text) => $"{text}, {Context.ConnectionId[..8]}";
    }
}
