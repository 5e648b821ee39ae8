using System;
using System.Linq;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class ProtocolErrorTests
{
    [Fact]
    [Trait("Rfc", "9110 15.5.6")]
    public void Exactly_the_405_reasons_name_a_method_for_Allow()
    {
        foreach (RejectionReason reason in Enum.GetValues<RejectionReason>().Where(r => r != RejectionReason.None))
        {
            ProtocolError error = ProtocolError.Create(reason, 0);
            Assert.Equal(error.Status == 405, error.AllowedMethod is not null);
        }

        Assert.Equal("CONNECT", ProtocolError.Create(RejectionReason.ConnectMethodRequired, 0).AllowedMethod);
    }
}
