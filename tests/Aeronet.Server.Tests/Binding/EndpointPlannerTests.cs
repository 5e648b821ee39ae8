using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Tests.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Binding;

[Trait("Defect", "HOST-21")]
public sealed class EndpointPlannerTests : IDisposable
{
    private readonly RecordingLoggerFactory _log = new();
    private readonly ServerAddresses _addresses = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public void Without_anything_the_default_is_localhost_5000()
    {
        Assert.Equal(["http://localhost:5000"], Plan(static _ => { }));
        Assert.Single(_log.Of(3002));
    }

    [Fact]
    public void Addresses_alone_are_bound()
    {
        _addresses.Add("http://127.0.0.1:5001");
        _addresses.Add("http://*:5002");
        Assert.Equal(["http://127.0.0.1:5001", "http://*:5002"], Plan(static _ => { }));
        Assert.Empty(_log.Entries);
    }

    [Fact]
    public void Endpoints_alone_are_bound_those_of_code_first()
    {
        Assert.Equal(
            ["http://127.0.0.1:5003", "http://127.0.0.1:5004"],
            Plan(static kestrel => kestrel.Listen(IPAddress.Loopback, 5003), ("Endpoints:A:Url", "http://127.0.0.1:5004")));
        Assert.Empty(_log.Entries);
    }

    [Fact]
    public void Endpoints_win_over_addresses_with_a_warning()
    {
        _addresses.Add("http://127.0.0.1:5001");
        Assert.Equal(["http://127.0.0.1:5003"], Plan(static kestrel => kestrel.Listen(IPAddress.Loopback, 5003)));
        Assert.Contains("http://127.0.0.1:5001", Assert.Single(_log.Of(3003)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Preferred_addresses_win_over_endpoints_with_a_notice()
    {
        _addresses.Add("http://127.0.0.1:5001");
        _addresses.PreferHostingUrls = true;
        Assert.Equal(["http://127.0.0.1:5001"], Plan(static kestrel => kestrel.Listen(IPAddress.Loopback, 5003)));
        Assert.Single(_log.Of(3004));
    }

    [Fact]
    public void Preferred_addresses_do_not_care_about_endpoints_that_could_not_be_served()
    {
        _addresses.Add("http://127.0.0.1:5001");
        _addresses.PreferHostingUrls = true;
        Assert.Equal(["http://127.0.0.1:5001"], Plan(static _ => { }, ("Endpoints:A:Url", "https://127.0.0.1:5004")));
    }

    [Fact]
    [Trait("Defect", "HOST-39"), Trait("Defect", "HOST-41")]
    public void Everything_that_cannot_be_served_is_named_at_once()
    {
        InvalidOperationException fault = Assert.Throws<InvalidOperationException>(() => Plan(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 5010, static listen => listen.UseHttps(KestrelInternalsTests.CreateCertificate()).Use(static next => next));
            kestrel.Listen(IPAddress.Loopback, 5011, static listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 5012, static listen => listen.Protocols = HttpProtocols.Http3);
            kestrel.Listen(IPAddress.Loopback, 5013, static listen => listen.Protocols = HttpProtocols.None);
            kestrel.Listen(IPAddress.Loopback, 5016);
        }));
        Assert.Equal(3, fault.Message.Split(Environment.NewLine).Length);
        Assert.Contains("http://127.0.0.1:5011 asks for Http2 only", fault.Message, StringComparison.Ordinal);
        Assert.Contains("HTTP/3 requires HTTPS", fault.Message, StringComparison.Ordinal);
        Assert.Contains("http://127.0.0.1:5013 has no protocol", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("5016", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://pipe:/name", "named pipe")]
    [InlineData("http://localhost:0", "dynamic port")]
    public void Addresses_that_cannot_be_served_are_refused(string url, string expected)
    {
        _addresses.Add(url);
        InvalidOperationException fault = Assert.Throws<InvalidOperationException>(() => Plan(static _ => { }));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.Contains(url, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_https_address_takes_the_certificate_and_settings_of_the_defaults()
    {
        _addresses.Add("https://127.0.0.1:5020");
        KestrelServerOptions kestrel = KestrelInternalsTests.Options(static options => options.ConfigureHttpsDefaults(static https => https.ServerCertificate = KestrelInternalsTests.CreateCertificate()));
        EndpointRequest request = Assert.Single(EndpointPlanner.Plan(kestrel, _addresses, new ServerLog(_log).General));
        Assert.True(request.IsHttps);
        Assert.True(request.IsNativeTls);
        Assert.Equal("https://127.0.0.1:5020", request.Display(request.EndPoint));
    }

    [Fact]
    public void A_configured_https_endpoint_without_a_certificate_is_Kestrels_error()
        => Assert.ThrowsAny<InvalidOperationException>(() => Plan(static _ => { }, ("Endpoints:Secure:Url", "https://127.0.0.1:5021"), ("Endpoints:Secure:Certificate:Subject", "nobody-has-this"), ("Endpoints:Secure:Certificate:Store", "My")));

    [Fact]
    public void Https_defaults_and_certificates_without_an_https_endpoint_do_no_harm()
    {
        _addresses.Add("http://127.0.0.1:5001");
        Assert.Single(Plan(
            static kestrel => kestrel.ConfigureHttpsDefaults(static https => https.HandshakeTimeout = TimeSpan.FromSeconds(3)),
            ("EndpointDefaults:Protocols", "Http1AndHttp2")));
    }

    [Fact]
    public void Middleware_of_the_endpoint_defaults_is_seen_on_addresses_too()
    {
        _addresses.Add("http://127.0.0.1:5001");
        KestrelServerOptions kestrel = KestrelInternalsTests.Options(static options => options.ConfigureEndpointDefaults(static listen => listen.Use(static next => next)));
        Assert.True(Assert.Single(EndpointPlanner.Plan(kestrel, _addresses, new ServerLog(_log).General)).HasMiddleware);
    }

    [Fact]
    public void Middleware_runs_in_the_order_of_the_endpoint_and_ends_in_the_protocol()
    {
        List<string> order = [];
        KestrelServerOptions kestrel = KestrelInternalsTests.Options(options => options.Listen(IPAddress.Loopback, 5014, listen =>
        {
            listen.Use(next => context => { order.Add("first"); return next(context); });
            listen.Use(next => context => { order.Add("second"); return next(context); });
        }));
        EndpointRequest request = Assert.Single(EndpointPlanner.Plan(kestrel, _addresses, new ServerLog(_log).General));
        request.BuildPipeline(_ => { order.Add("protocol"); return System.Threading.Tasks.Task.CompletedTask; }, new TlsMetrics(null).Observe(null, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, new HandshakeCounts()))(null!);
        Assert.Equal(["first", "second", "protocol"], order);
    }

    [Fact]
    [Trait("Defect", "HOST-16")]
    public void Endpoint_defaults_replace_an_earlier_callback_and_leave_earlier_endpoints_alone()
    {
        KestrelServerOptions kestrel = KestrelInternalsTests.Options(static options =>
        {
            options.Listen(IPAddress.Loopback, 5030);
            options.ConfigureEndpointDefaults(static listen => listen.Protocols = HttpProtocols.Http2);
            options.ConfigureEndpointDefaults(static listen => listen.Protocols = HttpProtocols.Http1);
            options.Listen(IPAddress.Loopback, 5031);
        });
        List<EndpointRequest> plan = EndpointPlanner.Plan(kestrel, _addresses, new ServerLog(_log).General);
        Assert.Equal([HttpProtocols.Http1AndHttp2, HttpProtocols.Http1], plan.Select(static request => request.Options.Protocols));
    }

    [Fact]
    public void A_missing_url_of_a_configured_endpoint_is_Kestrels_error()
    {
        InvalidOperationException fault = Assert.Throws<InvalidOperationException>(() => Plan(static _ => { }, ("Endpoints:A:Protocols", "Http1")));
        Assert.Contains("'Url'", fault.Message, StringComparison.Ordinal);
    }

    private List<string> Plan(Action<KestrelServerOptions> configure, params (string Key, string Value)[] section)
        => EndpointPlanner.Plan(KestrelInternalsTests.Options(configure, section), _addresses, new ServerLog(_log).General).ConvertAll(static request => request.Name);
}
