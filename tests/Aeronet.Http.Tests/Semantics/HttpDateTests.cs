using System;
using System.Globalization;
using System.Text;
using Aeronet.Http.Semantics;
using CsCheck;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class HttpDateTests
{
    [Fact]
    [Trait("Rfc", "9110 5.6.7")]
    public void Writes_the_example_of_the_specification()
    {
        Assert.Equal("Sun, 06 Nov 1994 08:49:37 GMT", Write(new DateTime(1994, 11, 6, 8, 49, 37, DateTimeKind.Utc)));
    }

    [Fact]
    [Trait("Rfc", "9110 5.6.7")]
    public void Agrees_with_the_framework_for_any_second()
    {
        Gen.Long[0, DateTime.MaxValue.Ticks].Sample(
            ticks =>
            {
                DateTime time = new(ticks, DateTimeKind.Utc);
                return Write(time) == time.ToString("R", CultureInfo.InvariantCulture);
            },
            iter: 5_000,
            threads: 1);
    }

    private static string Write(DateTime time)
    {
        byte[] into = new byte[HttpDate.Length];
        HttpDate.Write(into, time);
        return Encoding.ASCII.GetString(into);
    }
}
