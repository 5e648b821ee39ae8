using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class RejectionReasonTests
{
    [Fact]
    public void Every_reason_has_a_status_a_section_and_a_message()
    {
        HashSet<int> statuses = [400, 405, 408, 411, 413, 414, 417, 421, 431, 501, 505];
        foreach (RejectionReason reason in Enum.GetValues<RejectionReason>().Where(r => r != RejectionReason.None))
        {
            ProtocolError error = ProtocolError.Create(reason, 7);
            Assert.Contains(error.Status, statuses);
            Assert.Matches("^RFC [0-9]{4} section [0-9.]+$", error.RfcSection);
            Assert.True(error.Message.Length > 10, reason.ToString());
            Assert.NotEqual("Bad request.", error.Message);
            Assert.False(error.IsNone);
            Assert.Equal((7L, -1), (error.Offset, error.FieldIndex));
        }

        Assert.True(default(ProtocolError).IsNone);
    }
}
