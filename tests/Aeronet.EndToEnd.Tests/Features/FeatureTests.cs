using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Features;

/// <summary>The feature collection as a contract of its own.</summary>
[NeedsNoSocket]
public sealed class FeatureTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    public static IReadOnlyList<string> RequestFeatures { get; } =
    [
        .. new[]
        {
            typeof(IHttpRequestFeature), typeof(IHttpResponseFeature), typeof(IHttpResponseBodyFeature), typeof(IRequestBodyPipeFeature),
            typeof(IHttpRequestLifetimeFeature), typeof(IHttpRequestIdentifierFeature), typeof(IHttpConnectionFeature), typeof(IHttpUpgradeFeature),
            typeof(IHttpExtendedConnectFeature), typeof(IHttpBodyControlFeature), typeof(IHttpMaxRequestBodySizeFeature),
            typeof(IHttpRequestBodyDetectionFeature), typeof(IHttpRequestTrailersFeature), typeof(IHttpMinRequestBodyDataRateFeature),
            typeof(IHttpMinResponseDataRateFeature), typeof(IBadRequestExceptionFeature), typeof(IPersistentStateFeature),
            typeof(IRouteValuesFeature), typeof(IEndpointFeature),
        }.Select(type => type.AssemblyQualifiedName!),
    ];

    public static IReadOnlyList<string> ConnectionFeatures { get; } =
    [
        .. new[]
        {
            typeof(IConnectionIdFeature), typeof(IConnectionItemsFeature), typeof(IMemoryPoolFeature), typeof(IConnectionLifetimeFeature),
            typeof(IConnectionLifetimeNotificationFeature), typeof(IConnectionHeartbeatFeature), typeof(IConnectionCompleteFeature), typeof(IConnectionSocketFeature),
        }.Select(type => type.AssemblyQualifiedName!),
    ];

    [Theory, BothServersWith(typeof(FeatureTests), nameof(RequestFeatures))]
    public async Task Every_request_feature_is_there_and_enumerated(ServerKind server, string type)
    {
        Type wanted = Type.GetType(type)!;
        await RunAsync(server, context =>
        {
            object? feature = context.Features[wanted];
            Assert.True(wanted.IsInstanceOfType(feature));
            Assert.Contains(context.Features, pair => pair.Key == wanted && ReferenceEquals(pair.Value, feature));
            return Task.CompletedTask;
        });
    }

    [Theory, BothServersWith(typeof(FeatureTests), nameof(RequestFeatures))]
    public async Task Asking_by_type_parameter_and_by_type_is_the_same(ServerKind server, string type)
    {
        Type wanted = Type.GetType(type)!;
        System.Reflection.MethodInfo get = typeof(IFeatureCollection).GetMethod(nameof(IFeatureCollection.Get))!.MakeGenericMethod(wanted);
        await RunAsync(server, context =>
        {
            object? feature = context.Features[wanted];
            Assert.NotNull(feature);
            Assert.Same(feature, get.Invoke(context.Features, null));
            context.Features[wanted] = null;
            Assert.True(get.Invoke(context.Features, null) is null || wanted == typeof(IPersistentStateFeature)); // the connection's shows through
            context.Features[wanted] = feature;
            Assert.Same(feature, get.Invoke(context.Features, null));
            return Task.CompletedTask;
        });
    }

    [Theory, BothServers]
    public async Task A_replaced_feature_is_the_one_that_is_asked_for(ServerKind server)
    {
        await RunAsync(server, context =>
        {
            HttpRequestFeature mine = new() { Path = "/mine" };
            IHttpRequestFeature theirs = context.Features.Get<IHttpRequestFeature>()!;
            context.Features.Set<IHttpRequestFeature>(mine);
            Assert.Same(mine, context.Features.Get<IHttpRequestFeature>());
            Assert.Equal("/mine", context.Request.Path);
            context.Features.Set(theirs);
            Assert.Equal("/", context.Request.Path);
            return Task.CompletedTask;
        });
    }

    [Theory, BothServersWith(typeof(FeatureTests), nameof(RequestFeatures))]
    public async Task A_feature_of_another_type_is_refused(ServerKind server, string type)
    {
        Type wanted = Type.GetType(type)!;
        await RunAsync(server, context =>
        {
            object? feature = context.Features[wanted];
            Assert.Throws<InvalidCastException>(() => context.Features[wanted] = "no feature");
            Assert.Same(feature, context.Features[wanted]);
            return Task.CompletedTask;
        });
    }

    [Theory, BothServersWith(typeof(FeatureTests), nameof(ConnectionFeatures))]
    [NeedsSocket, Trait("Defect", "HOST-2")]
    public async Task Connection_features_show_through_and_are_not_enumerated(ServerKind server, string type)
    {
        Type wanted = Type.GetType(type)!;
        await RunAsync(server, context =>
        {
            Assert.True(wanted.IsInstanceOfType(context.Features[wanted]));
            Assert.DoesNotContain(context.Features, pair => pair.Key == wanted);
            return Task.CompletedTask;
        });
    }

    [Theory]
    [BothServers(typeof(ITlsConnectionFeature))]
    [BothServers(typeof(IHttpResetFeature))]
    [BothServers(typeof(IHttp2StreamIdFeature))]
    [BothServers(typeof(ISessionFeature))]
    [BothServers(typeof(IHttpWebSocketFeature))]
    [BothServers(typeof(IFormFeature))]
    public async Task Features_that_plain_HTTP_1_has_not_are_absent(ServerKind server, Type type) => await RunAsync(server, context =>
    {
        Assert.Equal(server.IsHttps() && type == typeof(ITlsConnectionFeature), context.Features[type] is not null);
        return Task.CompletedTask;
    });

    [Theory, BothServers]
    [Trait("Defect", "HOST-3"), Trait("Defect", "HOST-4")]
    public async Task A_feature_can_be_replaced_and_hidden_until_the_request_ends(ServerKind server)
    {
        int count = 0;
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            IFeatureCollection features = context.Features;
            Assert.False(features.IsReadOnly);
            Assert.NotNull(features.Get<IHttpBodyControlFeature>());
            Assert.NotNull(features.Get<IHttpRequestIdentifierFeature>());
            Assert.Null(features.Get<Probe>());

            int before = features.Revision;
            features.Set<IHttpBodyControlFeature>(null);
            Assert.NotEqual(before, features.Revision);
            Assert.Null(features.Get<IHttpBodyControlFeature>());

            var replaced = new HttpRequestIdentifierFeature { TraceIdentifier = "mine" };
            features.Set<IHttpRequestIdentifierFeature>(replaced);
            Assert.Same(replaced, features.Get<IHttpRequestIdentifierFeature>());
            Assert.Equal("mine", context.TraceIdentifier);

            features.Set(new Probe());
            Assert.NotNull(features.Get<Probe>());
            Assert.Contains(features, pair => pair.Key == typeof(Probe));
            features[typeof(string)] = "extra";
            Assert.Equal("extra", features[typeof(string)]);
            features[typeof(string)] = null;
            Assert.Null(features[typeof(string)]);
            return context.Response.WriteAsync($"{++count}");
        }));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 1; i <= 3; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal($"{i}", (await client.ReadResponseAsync()).Text);
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-40")]
    public async Task Persistent_state_lives_as_long_as_the_connection_and_no_longer(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            IDictionary<object, object?> state = context.Features.GetRequiredFeature<IPersistentStateFeature>().State;
            int count = state.TryGetValue("count", out object? value) ? (int)value! + 1 : 1;
            state["count"] = count;
            bool items = context.Items.ContainsKey("item");
            context.Items["item"] = "x";
            context.Request.RouteValues["r"] = "x";
            return context.Response.WriteAsync($"{count} {items}");
        }));
        for (int connection = 0; connection < 2; connection++)
        {
            await using RawClient client = await host.ConnectAsync();
            for (int i = 1; i <= 3; i++)
            {
                await client.SendAsync(Get);
                Assert.Equal($"{i} False", (await client.ReadResponseAsync()).Text);
            }
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "PARSE-22")]
    public async Task What_one_request_sets_on_its_features_is_gone_in_the_next(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context =>
            {
                IHttpMaxRequestBodySizeFeature size = context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>();
                IHttpBodyControlFeature control = context.Features.GetRequiredFeature<IHttpBodyControlFeature>();
                IHttpMinRequestBodyDataRateFeature requestRate = context.Features.GetRequiredFeature<IHttpMinRequestBodyDataRateFeature>();
                IHttpMinResponseDataRateFeature responseRate = context.Features.GetRequiredFeature<IHttpMinResponseDataRateFeature>();
                string text = $"{size.MaxRequestBodySize} {control.AllowSynchronousIO} {requestRate.MinDataRate?.BytesPerSecond} {responseRate.MinDataRate?.BytesPerSecond} "
                    + $"{context.GetEndpoint() is null} {context.Request.RouteValues.Count} {context.Request.PathBase} {context.Response.StatusCode}";
                size.MaxRequestBodySize = 1;
                control.AllowSynchronousIO = true;
                requestRate.MinDataRate = null;
                responseRate.MinDataRate = new MinDataRate(1, TimeSpan.FromSeconds(5));
                context.SetEndpoint(new Endpoint(null, null, "e"));
                context.Request.RouteValues["x"] = "y";
                context.Request.PathBase = "/base";
                return context.Response.WriteAsync(text);
            }),
            kestrel: options => options.Limits.MinRequestBodyDataRate = new MinDataRate(77, TimeSpan.FromSeconds(9)));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal("30000000 False 77 240 True 0  200", (await client.ReadResponseAsync()).Text);
        }
    }

    [Theory, BothServers]
    public async Task Trace_identifiers_name_connection_and_request_number(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
            context.Response.WriteAsync($"{context.Connection.Id} {context.TraceIdentifier}")));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 1; i <= 3; i++)
        {
            await client.SendAsync(Get);
            string[] parts = (await client.ReadResponseAsync()).Text.Split(' ');
            Assert.Equal(13, parts[0].Length);
            Assert.Equal($"{parts[0]}:{i:X8}", parts[1]);
        }
    }

    [Theory, BothServers]
    public async Task The_connection_feature_tells_both_addresses(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            ConnectionInfo info = context.Connection;
            string text = $"{info.LocalIpAddress}:{info.LocalPort} {info.RemoteIpAddress}:{info.RemotePort}";
            info.RemoteIpAddress = IPAddress.Parse("10.1.2.3");
            Assert.Equal("10.1.2.3", context.Connection.RemoteIpAddress?.ToString());
            return context.Response.WriteAsync(text);
        }));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal($"{host.EndPoint} {client.LocalEndPoint}", (await client.ReadResponseAsync()).Text);
        }
    }

    [Theory, BothServers]
    public async Task Request_properties_can_be_set_by_middleware(ServerKind server) => await RunAsync(server, context =>
    {
        HttpRequest request = context.Request;
        request.Method = "PUT";
        request.Path = "/changed";
        request.PathBase = "/base";
        request.QueryString = new QueryString("?q=1");
        request.Scheme = "https";
        request.Protocol = "HTTP/9";
        request.Host = new HostString("other:1");
        IHttpRequestFeature feature = context.Features.GetRequiredFeature<IHttpRequestFeature>();
        feature.RawTarget = "/raw";
        Assert.Equal(("PUT", "/changed", "/base", "?q=1", "https", "HTTP/9", "/raw"), (feature.Method, feature.Path, feature.PathBase, feature.QueryString, feature.Scheme, feature.Protocol, feature.RawTarget));
        Assert.Equal("other:1", request.Headers.Host.ToString());
        Assert.Equal("1", request.Query["q"].ToString());
        return Task.CompletedTask;
    });

    [Theory, BothServers]
    public async Task A_replaced_request_body_feeds_the_body_reader(ServerKind server) => await RunAsync(server, async context =>
    {
        context.Request.Body = new MemoryStream("other"u8.ToArray());
        System.IO.Pipelines.ReadResult read = await context.Request.BodyReader.ReadAtLeastAsync(5);
        Assert.Equal("other", Encoding.ASCII.GetString(System.Buffers.BuffersExtensions.ToArray(read.Buffer)));
        context.Request.BodyReader.AdvanceTo(read.Buffer.End);
    });

    [Theory, BothServers]
    [Trait("Defect", "HOST-5")]
    public async Task RequestAborted_can_be_replaced(ServerKind server) => await RunAsync(server, context =>
    {
        using var mine = new CancellationTokenSource();
        Assert.False(context.RequestAborted.IsCancellationRequested);
        Assert.True(context.RequestAborted.CanBeCanceled);
        context.RequestAborted = mine.Token;
        Assert.Equal(mine.Token, context.RequestAborted);
        mine.Cancel();
        Assert.True(context.RequestAborted.IsCancellationRequested);
        return Task.CompletedTask;
    });

    [Theory, BothServers]
    [Trait("Defect", "HOST-1")]
    public async Task Hosting_can_keep_its_context_in_the_collection(ServerKind server)
    {
        var contexts = new List<HttpContext>();
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            contexts.Add(context);
            Assert.Contains(context.Features.GetType().GetInterfaces(), type => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IHostContextContainer<>));
            return Task.CompletedTask;
        }));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal(200, (await client.ReadResponseAsync()).Status);
        }

        Assert.Same(contexts[1], contexts[2]);
    }

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    [Trait("Defect", "HOST-6")]
    public async Task Synchronous_IO_needs_permission(ServerKind server, bool allowed)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context =>
            {
                Assert.Equal(allowed, context.Features.GetRequiredFeature<IHttpBodyControlFeature>().AllowSynchronousIO);
                byte[] buffer = new byte[3];
                if (allowed)
                {
                    context.Request.Body.ReadExactly(buffer);
                    context.Response.Body.Write(buffer);
                    context.Response.Body.Flush();
                    context.Response.Body.Write(buffer, 0, 3);
                }
                else
                {
                    Assert.Throws<InvalidOperationException>(() => context.Request.Body.Read(buffer));
                    Assert.Throws<InvalidOperationException>(() => context.Response.Body.Write(buffer));
                    Assert.Throws<InvalidOperationException>(() => context.Response.Body.Flush());
                    context.Features.GetRequiredFeature<IHttpBodyControlFeature>().AllowSynchronousIO = true;
                    context.Request.Body.ReadExactly(buffer);
                    context.Response.Body.Write([.. buffer, .. buffer]);
                }

                return Task.CompletedTask;
            }),
            kestrel: options => options.AllowSynchronousIO = allowed);
        RawResponse response = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        Assert.Equal((200, "abcabc"), (response.Status, response.Text));
    }

    [Theory, BothServers]
    public async Task Streams_say_what_they_can_do(ServerKind server) => await RunAsync(server, context =>
    {
        Stream request = context.Request.Body, response = context.Response.Body;
        Assert.True(request.CanRead);
        Assert.False(request.CanWrite);
        Assert.False(request.CanSeek);
        Assert.True(response.CanWrite);
        Assert.False(response.CanRead);
        Assert.False(response.CanSeek);
        Assert.Throws<NotSupportedException>(() => request.Length);
        Assert.Throws<NotSupportedException>(() => request.Position = 1);
        Assert.Throws<NotSupportedException>(() => response.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => response.SetLength(1));
        return Task.CompletedTask;
    });

    [Theory, BothServers]
    public async Task AsyncLocals_do_not_leak_between_requests(ServerKind server)
    {
        var local = new AsyncLocal<string?>();
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            string? before = local.Value;
            local.Value = context.Request.Path;
            if (context.Request.Path == "/yield")
            {
                await Task.Yield();
            }

            Assert.Null(SynchronizationContext.Current);
            await context.Response.WriteAsync(before ?? "clean");
        }));
        await using RawClient client = await host.ConnectAsync();
        foreach (string path in new[] { "/a", "/yield", "/b", "/c" })
        {
            await client.SendAsync($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.Equal("clean", (await client.ReadResponseAsync()).Text);
        }
    }

    [Theory, BothServers]
    public async Task The_upgrade_feature_refuses_an_ordinary_request(ServerKind server) => await RunAsync(server, async context =>
    {
        IHttpUpgradeFeature upgrade = context.Features.GetRequiredFeature<IHttpUpgradeFeature>();
        Assert.False(upgrade.IsUpgradableRequest);
        await Assert.ThrowsAsync<InvalidOperationException>(upgrade.UpgradeAsync);
        Assert.False(context.Features.GetRequiredFeature<IHttpExtendedConnectFeature>().IsExtendedConnect);
    });

    [Theory, BothServers]
    public async Task Server_features_hold_the_addresses(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        IServer running = host.Services.GetRequiredService<IServer>();
        Assert.Contains(":", Assert.Single(host.Addresses), StringComparison.Ordinal);
        Assert.NotNull(running.Features.Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>());
    }

    private static async Task RunAsync(ServerKind server, RequestDelegate app)
    {
        await using AppHost host = await AppHost.StartAsync(server, web => web.Run(app));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync(Get);
            RawResponse response = await client.ReadResponseAsync();
            Assert.True(response.Status == 200, string.Join('\n', host.Logs.Entries.Select(entry => entry.Error)));
        }
    }

    private sealed class Probe;
}
