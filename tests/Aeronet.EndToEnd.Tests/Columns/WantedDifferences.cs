using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>A behaviour in which Aeronet departs from Kestrel on purpose. Tests read their expectation from it.</summary>
/// <param name="Id">Stable name.</param>
/// <param name="Kestrel">What Kestrel 10.0.12 does.</param>
/// <param name="Aeronet">What Aeronet does.</param>
/// <param name="Reason">Why.</param>
internal sealed record WantedDifference<T>(string Id, T Kestrel, T Aeronet, string Reason)
{
    /// <summary>What the test has to expect on a server.</summary>
    public T On(ServerKind server) => server.IsAeronet() ? Aeronet : Kestrel;
}

/// <summary>The whole list of wanted differences. What is not here must be equal on both servers.</summary>
internal static class WantedDifferences
{
    public static readonly WantedDifference<int> LengthWithTransferEncoding = new(
        "cl-te", 200, 400, "Content-Length with Transfer-Encoding is a smuggling attempt: RFC 9112 6.3 allows the refusal.");

    public static readonly WantedDifference<int> TransferEncodingOnHttp10 = new(
        "te-1.0", 200, 400, "RFC 9112 6.1: a 1.0 message with Transfer-Encoding has faulty framing.");

    public static readonly WantedDifference<int> BareLineFeed = new(
        "bare-lf", 200, 400, "RFC 9112 2.2 permits the leniency, proxies differ in it; behind AllowLineFeedTerminators.");

    public static readonly WantedDifference<int> OtherTransferCoding = new(
        "te-coding", 200, 501, "RFC 9112 6.1: a coding that the server does not understand gets 501; handing gzip bytes out as the body is wrong.");

    public static readonly WantedDifference<string> Http10StatusLine = new(
        "status-1.0", "HTTP/1.1", "HTTP/1.0", "A 1.0 client is answered in its version; behind Http10StatusLine.");

    public static readonly WantedDifference<int> ControlCharacterInTarget = new(
        "target-control", 200, 400, "RFC 3986 has no control characters; in Path they are a log injection.");

    public static readonly WantedDifference<int> BadPercentEscape = new(
        "target-escape", 200, 400, "A bad escape means different things to different decoders.");

    public static readonly WantedDifference<string> ServerHeader = new(
        "server-header", "Kestrel", "Aeronet", "The product's name.");

    public static readonly WantedDifference<bool> HalfClosedClientIsAnswered = new(
        "half-close", false, true, "RFC 9112 9.6 asks for the response to be delivered; behind HalfClosedClients.");

    public static readonly WantedDifference<bool> ResponseTrailers = new(
        "trailers-1.1", false, true, "RFC 9112 7.1.2 trailers work in HTTP/1.1; Kestrel offers them in HTTP/2 and HTTP/3 only.");

    public static readonly WantedDifference<bool> Restart = new(
        "restart", false, true, "A stopped server may be started again.");

    public static readonly WantedDifference<string> LogCategories = new(
        "log-categories", "Microsoft.AspNetCore.Server.Kestrel", "Aeronet", "Filters name the product; event ids are equal.");

    public static readonly WantedDifference<int> RepeatedSpaceInRequestLine = new(
        "line-spaces", 200, 400, "RFC 9112 3: single spaces. Kestrel accepts a second one before the version.");

    public static readonly WantedDifference<int> DelimiterInFieldName = new(
        "field-name", 200, 400, "RFC 9110 5.1: a field name is a token; Kestrel accepts delimiters in it.");

    public static readonly WantedDifference<int> SignedContentLength = new(
        "cl-sign", 200, 400, "RFC 9110 8.6: digits only; a sign is read differently by different servers.");

    public static readonly WantedDifference<int> HugeChunkSize = new(
        "chunk-size", 500, 400, "A size beyond the limit is the peer's fault; Kestrel lets it fail in the application.");

    public static readonly WantedDifference<int> BadByteInTrailer = new(
        "trailer-nul", 500, 400, "The peer's fault; Kestrel lets it fail in the application.");

    public static readonly WantedDifference<int> ConnectWithPath = new(
        "connect-path", 500, 400, "RFC 9112 3.2.3: CONNECT takes the authority form only; Kestrel runs the application.");

    public static readonly WantedDifference<int> ControlCharacterInValue = new(
        "value-control", 200, 400, "RFC 9110 5.5: control characters in a field value are invalid; Kestrel refuses NUL, CR and LF only.");

    public static readonly WantedDifference<int> EmptyLinesBeforeRequest = new(
        "empty-lines", 200, 414, "RFC 9112 2.2 asks to skip at least one; endless ones count against the request line limit.");

    public static readonly WantedDifference<bool> UpgradeOnHttp10 = new(
        "upgrade-1.0", true, false, "RFC 9110 7.8: a server MUST ignore Upgrade in an HTTP/1.0 request.");

    public static readonly WantedDifference<bool> PipelinedRequestAfterAbort = new(
        "abort-pipelined", true, false, "An aborted connection serves nothing more; Kestrel repaired this in 10.0.14 only.");

    public static readonly WantedDifference<int> UserinfoInTarget = new(
        "userinfo", 200, 400, "RFC 9110 4.2.4: userinfo from an untrusted source is to be treated as an error.");

    public static readonly WantedDifference<BodyFraming> ResponseCompleteInOneTurn = new(
        "one-turn", BodyFraming.Chunked, BodyFraming.ContentLength, "A response that is complete before control returns to the loop has a known length, flushed or not; it leaves in one send.");

    public static readonly WantedDifference<int> ChunkedTwice = new(
        "te-twice", 200, 400, "RFC 9112 6.1: chunked MUST NOT be applied more than once.");

    public static readonly WantedDifference<int> LengthCodingAndOwnName = new(
        "cl-te-x", 0, 400, "Kestrel drops the connection without a response (0) and logs a stack trace; defects.md PARSE-13.");

    public static readonly WantedDifference<int> ForbiddenTrailer = new(
        "trailer-forbidden", 200, 400, "RFC 9110 6.5.1: framing, routing and authentication fields have no place in trailers; features.md R1.3.");
}
