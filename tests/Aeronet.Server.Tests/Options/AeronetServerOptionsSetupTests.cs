using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using Aeronet.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Server.Tests.Options;

public sealed class AeronetServerOptionsSetupTests
{
    [Fact]
    public void Every_setting_can_be_given_in_the_section()
    {
        var values = new Dictionary<string, string?>();
        var expected = new Dictionary<string, object?>();
        Collect("Aeronet", new AeronetServerOptions());
        AeronetServerOptions read = Read(values);

        Assert.Empty(read.ConfigurationFaults);
        var found = new Dictionary<string, object?>();
        Find("Aeronet", read);
        Assert.Equal(expected.OrderBy(static pair => pair.Key), found.OrderBy(static pair => pair.Key));
        Assert.True(expected.Count > 20);

        // A value that differs from the default, for each settable property.
        void Collect(string path, object owner)
        {
            foreach (PropertyInfo property in owner.GetType().GetProperties())
            {
                string key = $"{path}:{property.Name}";
                object? value = property.GetValue(owner);
                Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
                if (value is IEnumerable and not string || typeof(Delegate).IsAssignableFrom(type))
                {
                    continue; // lists have tests of their own, callbacks come from code
                }
                if (!property.CanWrite)
                {
                    Collect(key, value!);
                    continue;
                }
                object other = type == typeof(bool) ? !(bool)value!
                    : type == typeof(int) ? (int)(value ?? 1) + 1
                    : type == typeof(long) ? (long)(value ?? 1L) + 1
                    : type == typeof(string) ? "text"
                    : type == typeof(TimeSpan) ? (TimeSpan)value! + TimeSpan.FromSeconds(1)
                    : type == typeof(UnixFileMode) ? UnixFileMode.UserRead | UnixFileMode.UserWrite
                    : type.IsEnum ? Enum.GetValues(type).Cast<object>().Last()
                    : throw new InvalidOperationException($"{key}: teach this test about {type}.");
                values[key] = other.ToString();
                expected[key] = other;
            }
        }

        void Find(string path, object owner)
        {
            foreach (PropertyInfo property in owner.GetType().GetProperties())
            {
                string key = $"{path}:{property.Name}";
                if (expected.ContainsKey(key))
                {
                    found[key] = property.GetValue(owner);
                }
                else if (property.GetValue(owner) is { } value and not IEnumerable and not Delegate)
                {
                    Find(key, value);
                }
            }
        }
    }

    [Fact]
    public void Lists_and_dictionaries_can_be_given_in_the_section()
    {
        AeronetServerOptions read = Read(new()
        {
            ["Aeronet:AllowedMethods:0"] = "GET",
            ["Aeronet:AllowedMethods:1"] = "HEAD",
            ["Aeronet:GlobalHeaders:X-Frame-Options"] = "DENY",
            ["Aeronet:ConnectTunnels:Allow:0"] = "a.example:443",
            ["Aeronet:Limits:MaxRequestsPerConnection"] = "",
        });
        Assert.Empty(read.ConfigurationFaults);
        Assert.Equal(["GET", "HEAD"], read.AllowedMethods);
        Assert.Equal(["a.example:443"], read.ConnectTunnels.Allow);
        Assert.Equal("DENY", read.GlobalHeaders["x-frame-options"]);
        Assert.Null(read.Limits.MaxRequestsPerConnection);
    }

    [Fact]
    [Trait("Defect", "HOST-42")]
    public void Unknown_keys_and_values_that_cannot_be_read_are_all_reported()
    {
        AeronetServerOptions read = Read(new()
        {
            ["Aeronet:Typo"] = "1",
            ["Aeronet:ApplicationMode"] = "Inlined",
            ["Aeronet:TracePolicy"] = "1",
            ["Aeronet:AllowLineFeedTerminators"] = "yes",
            ["Aeronet:Limits:LingerBytes"] = "1MB",
            ["Aeronet:Limits:LingerTimeout"] = "soon",
            ["Aeronet:Limits:Linger"] = "1",
            ["Aeronet:Transport:IOQueueCount"] = "2",
        });
        Assert.Equal(8, read.ConfigurationFaults.Count);
        Assert.Contains("Aeronet:Typo is not a setting of Aeronet.", read.ConfigurationFaults);
        Assert.Contains("Aeronet:ApplicationMode is 'Inlined'; expected: one of ThreadPool, Inline.", read.ConfigurationFaults);
        Assert.Contains(read.ConfigurationFaults, static fault => fault.StartsWith("Aeronet:TracePolicy is '1'", StringComparison.Ordinal));
        Assert.Contains("Aeronet:Limits:Linger is not a setting of Aeronet.", read.ConfigurationFaults);
        Assert.Contains("Aeronet:Transport:IOQueueCount is not a setting of Aeronet.", read.ConfigurationFaults);
    }

    [Fact]
    [Trait("Feature", "B26"), Trait("Feature", "B75a")]
    public void Code_wins_over_the_section_and_the_section_over_the_socket_options()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Configuration["Aeronet:Transport:Backlog"] = "77";
        builder.Configuration["Aeronet:Limits:LingerBytes"] = "5";
        builder.WebHost.UseSockets(static sockets =>
        {
            sockets.Backlog = 33;
            sockets.NoDelay = false;
        });
        builder.WebHost.UseAeronet(static options => options.Limits.LingerBytes = 6);
        AeronetServerOptions read = builder.Build().Services.GetRequiredService<IOptions<AeronetServerOptions>>().Value;
        Assert.Equal(6, read.Limits.LingerBytes);
        Assert.Equal(77, read.Transport.Backlog);
        Assert.False(read.Transport.NoDelay);
    }

    [Theory]
    [InlineData(0L, null)]
    [InlineData(null, null)]
    [InlineData(1000L, 1000L)]
    public void A_write_buffer_of_0_is_no_limit_as_in_Kestrel(long? sockets, long? expected)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseSockets(options => options.MaxWriteBufferSize = sockets);
        builder.WebHost.UseAeronet();
        Assert.Equal(expected, builder.Build().Services.GetRequiredService<IOptions<AeronetServerOptions>>().Value.Transport.MaxWriteBufferSize);
    }

    [Fact]
    public void Socket_settings_without_effect_are_remembered()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseSockets(static sockets =>
        {
            sockets.UnsafePreferInlineScheduling = true;
            sockets.WaitForDataBeforeAllocatingBuffer = false;
        });
        builder.WebHost.UseAeronet();
        List<string> unused = builder.Build().Services.GetRequiredService<IOptions<AeronetServerOptions>>().Value.SettingsWithoutEffect;
        Assert.Equal(
            ["SocketTransportOptions.WaitForDataBeforeAllocatingBuffer", "SocketTransportOptions.UnsafePreferInlineScheduling"],
            unused);
    }

    [Fact]
    public async Task Faults_of_code_and_section_stop_the_start_together()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Configuration["Aeronet:Typo"] = "1";
        builder.WebHost.UseAeronet(static (_, options) => options.Limits.LingerBytes = -1).UseUrls("http://127.0.0.1:0");
        await using WebApplication application = builder.Build();
        OptionsValidationException fault = await Assert.ThrowsAsync<OptionsValidationException>(() => application.StartAsync());
        Assert.Equal(2, fault.Failures.Count());
    }

    private static AeronetServerOptions Read(Dictionary<string, string?> values)
    {
        var options = new AeronetServerOptions();
        AeronetServerOptionsSetup.Read(new ConfigurationBuilder().AddInMemoryCollection(values).Build().GetSection("Aeronet"), options);
        return options;
    }
}
