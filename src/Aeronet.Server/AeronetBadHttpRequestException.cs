using Aeronet.Http.Semantics;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Server;

/// <summary>A refused request with the place of the fault: what <c>IBadRequestExceptionFeature.Error</c> holds and what reading a malformed or oversized body throws.</summary>
/// <remarks>Derives from the exception that applications catch already; <c>StatusCode</c> is the status that the client gets.</remarks>
public sealed class AeronetBadHttpRequestException : BadHttpRequestException
{
    internal AeronetBadHttpRequestException(in ProtocolError error)
        : base($"{error.Message} (byte {error.Offset}, {error.RfcSection})", error.Status)
    {
        Reason = error.Reason.ToString();
        ByteOffset = error.Offset;
        Line = error.Line;
        HeaderIndex = error.FieldIndex;
        RfcSection = error.RfcSection;
        Excerpt = error.Excerpt;
    }

    /// <summary>The rule that was broken, one stable word per rule, e.g. <c>InvalidContentLength</c>; also the tag <c>reason</c> of the metric <c>aeronet.requests.rejected</c>.</summary>
    public string Reason { get; }

    /// <summary>Offset of the offending byte from the first byte of the request, from 0; body framing counts.</summary>
    public long ByteOffset { get; }

    /// <summary>Line of the head, 1 = request line; 0 when the fault is not in the head.</summary>
    public int Line { get; }

    /// <summary>Index of the field line from 0 in its section; -1 when the fault is not in a field line.</summary>
    public int HeaderIndex { get; }

    /// <summary>Where the rule stands, e.g. <c>RFC 9112 section 6.3</c>.</summary>
    public string RfcSection { get; }

    /// <summary>Up to 64 bytes around the fault, escaped to printable ASCII; empty when there is nothing to show.</summary>
    public string Excerpt { get; }
}
