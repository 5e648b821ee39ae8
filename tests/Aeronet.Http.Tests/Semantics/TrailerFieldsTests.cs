using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class TrailerFieldsTests
{
    [Theory]
    [InlineData("Content-Length", true)]
    [InlineData("KEEP-ALIVE", true)]
    [InlineData("grpc-status", false)]
    [InlineData("X-Checksum", false)]
    [InlineData("", false)]
    [Trait("Rfc", "9110 6.5.1")]
    [Trait("Defect", "BODY-9")]
    public void Knows_which_names_may_not_come_late(string name, bool forbidden)
    {
        Assert.Equal(forbidden, TrailerFields.IsForbidden(name));
        Assert.Equal(forbidden, TrailerFields.IsForbidden(System.Text.Encoding.ASCII.GetBytes(name)));
    }
}
