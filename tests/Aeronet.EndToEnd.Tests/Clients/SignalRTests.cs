using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Http;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Clients;

/// <summary>The SignalR .NET client over each of its transports.</summary>
public sealed class SignalRTests
{
    [Theory]
    [BothServers(HttpTransportType.WebSockets)]
    [BothServers(HttpTransportType.ServerSentEvents)]
    [BothServers(HttpTransportType.LongPolling)]
    public async Task Calls_streams_and_broadcasts_work(ServerKind server, HttpTransportType transport)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.MapHub<Talk>("/talk"),
            builder => builder.Services.AddSignalR());
        await using HubConnection one = await ConnectAsync(host, transport);
        await using HubConnection two = await ConnectAsync(host, transport);
        var heard = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        two.On<string>("said", heard.SetResult);
        string large = new('x', 20_000);
        Assert.Equal(large, await one.InvokeAsync<string>("Echo", large).WaitAsync(Guard.Time));
        await one.InvokeAsync("Say", "hello").WaitAsync(Guard.Time);
        Assert.Equal("hello", await heard.Task.WaitAsync(Guard.Time));
        var counted = new List<int>();
        await foreach (int number in one.StreamAsync<int>("Count", 20))
        {
            counted.Add(number);
        }

        Assert.Equal(Enumerable.Range(0, 20), counted);
        await one.StopAsync().WaitAsync(Guard.Time);
    }

    private static async Task<HubConnection> ConnectAsync(AppHost host, HttpTransportType transport)
    {
        HubConnection connection = new HubConnectionBuilder().WithUrl(new Uri(host.Url, "/talk"), transport, options =>
        {
            options.WebSocketConfiguration = socket => socket.RemoteCertificateValidationCallback = AppHost.Trust;
            options.HttpMessageHandlerFactory = handler =>
            {
                ((HttpClientHandler)handler).ServerCertificateCustomValidationCallback = (_, certificate, chain, errors) => AppHost.Trust(handler, certificate, chain, errors);
                return handler;
            };
        }).Build();
        await connection.StartAsync().WaitAsync(Guard.Time);
        return connection;
    }

    /// <summary>The hub under test.</summary>
    public sealed class Talk : Hub
    {
        /// <summary>Gives back what it got.</summary>
        public string Echo(string text) => text;

        /// <summary>Tells everybody.</summary>
        public Task Say(string text) => Clients.All.SendAsync("said", text);

        /// <summary>A stream of numbers.</summary>
        public async IAsyncEnumerable<int> Count(int end)
        {
            for (int i = 0; i < end; i++)
            {
                await Task.Yield();
                yield return i;
            }
        }
    }
}
