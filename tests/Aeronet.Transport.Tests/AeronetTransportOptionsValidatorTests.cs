using System;
using System.IO;
using System.Linq;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Transport.Tests;

public sealed class AeronetTransportOptionsValidatorTests
{
    private readonly AeronetTransportOptionsValidator _validator = new();

    [Fact]
    public void The_defaults_are_valid() => Assert.True(_validator.Validate(null, new AeronetTransportOptions()).Succeeded);

    [Fact]
    public void All_faults_are_named_at_once_with_property_value_and_range()
    {
        AeronetTransportOptions options = new()
        {
            Backend = (TransportBackend)7,
            IOThreadCount = 0,
            Backlog = -1,
            InitialReadSize = 100,
            MaxReadPerEvent = 50,
            AcceptBatchSize = 5000,
            MaxWriteBufferSize = -1,
            UnixSocketMode = (UnixFileMode)(1 << 20),
        };
        ValidateOptionsResult result = _validator.Validate(null, options);
        Assert.Equal(8, result.Failures!.Count());
        Assert.Contains("AeronetTransportOptions.IOThreadCount is 0; allowed: 1 to 1024.", result.Failures!);
        Assert.Contains("AeronetTransportOptions.Backend is 7; allowed: Auto, Epoll or Sockets.", result.Failures!);
        Assert.Contains("AeronetTransportOptions.MaxReadPerEvent is 50; allowed: 0 (no limit) or from InitialReadSize (100) to 1073741824.", result.Failures!);
    }

    [Fact]
    public void No_limit_is_valid_where_it_is_offered()
    {
        AeronetTransportOptions options = new() { MaxReadPerEvent = 0, MaxWriteBufferSize = null };
        Assert.True(_validator.Validate(null, options).Succeeded);
    }
}
