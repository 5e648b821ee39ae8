using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Tests.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Server.Tests.Diagnostics;

public sealed class BadRequestTests
{
    [Fact]
    [Trait("Defect", "HOST-26")]
    public async Task A_refused_request_reaches_the_listener_and_the_log_with_its_offset_and_no_raw_byte()
    {
        await using var host = new ServerHost(urls: "http://127.0.0.1:0");
        var observer = new Observer();
        using IDisposable subscription = host.Services.GetRequiredService<DiagnosticListener>().Subscribe(observer!, static name => name == BadRequestEvent.Name);
        await host.StartAsync();

        string answer = await SendAsync(host.Addresses[0], "GET / HTTP/1.1\r\nHost: a\r\nBad\u0001Name: 1\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);

        IFeatureCollection features = Assert.IsAssignableFrom<IFeatureCollection>(await observer.Seen.Task.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.NotNull(features);
        AeronetBadHttpRequestException error = Assert.IsType<AeronetBadHttpRequestException>(observer.Error);
        Assert.Equal(400, error.StatusCode);
        Assert.Equal(28, error.ByteOffset);

        await host.StopAsync();
        LogEntry entry = Assert.Single(host.Log.Of(17));
        Assert.Equal("Aeronet.BadRequests", entry.Category);
        Assert.Equal(LogLevel.Debug, entry.Level);
        Assert.Contains("at byte 28 ", entry.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(entry.Message, char.IsControl);
    }

    private static async Task<string> SendAsync(string address, string request)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(address).Port);
        await socket.SendAsync(Encoding.Latin1.GetBytes(request));
        byte[] answer = new byte[4096];
        int count = await socket.ReceiveAsync(answer).WaitAsync(TimeSpan.FromSeconds(30));
        return Encoding.Latin1.GetString(answer, 0, count);
    }

    private sealed class Observer : IObserver<KeyValuePair<string, object?>>
    {
        public TaskCompletionSource<object?> Seen { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Exception? Error { get; private set; }

        public void OnNext(KeyValuePair<string, object?> value)
        {
            Error = ((IFeatureCollection)value.Value!).Get<IBadRequestExceptionFeature>()?.Error; // the collection is reused after the event
            Seen.TrySetResult(value.Value);
        }

        public void OnError(Exception error)
        {
        }

        public void OnCompleted()
        {
        }
    }
}
