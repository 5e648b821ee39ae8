using System;
using System.Diagnostics;
using System.Text;

namespace Aeronet.Http.Semantics;

/// <summary>Field names that have a shared string: what ASP.NET Core's typed header properties know, and what framing needs.</summary>
/// <remarks>The names that decide framing and routing come first, so that one compare tells whether a field line concerns the parser.</remarks>
internal enum KnownHeader : byte
{
    Unknown,
    Host, ContentLength, TransferEncoding, Connection, Expect, TE, Upgrade, Accept, AcceptCharset, AcceptEncoding, AcceptLanguage, AcceptRanges,
    AccessControlAllowCredentials, AccessControlAllowHeaders, AccessControlAllowMethods, AccessControlAllowOrigin, AccessControlExposeHeaders,
    AccessControlMaxAge, AccessControlRequestHeaders, AccessControlRequestMethod, Age, Allow, AltSvc, Authorization, Baggage, CacheControl,
    ContentDisposition, ContentEncoding, ContentLanguage, ContentLocation, ContentMD5, ContentRange, ContentSecurityPolicy,
    ContentSecurityPolicyReportOnly, ContentType, CorrelationContext, Cookie, Date, DNT, ETag, Expires, From, GrpcAcceptEncoding, GrpcEncoding,
    GrpcMessage, GrpcStatus, GrpcTimeout, IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince, KeepAlive, LastModified, Link, Location,
    MaxForwards, Origin, Pragma, ProxyAuthenticate, ProxyAuthorization, ProxyConnection, Range, Referer, RequestId, RetryAfter, SecWebSocketAccept,
    SecWebSocketExtensions, SecWebSocketKey, SecWebSocketProtocol, SecWebSocketVersion, Server, SetCookie, StrictTransportSecurity, TraceParent,
    TraceState, Trailer, Translate, UpgradeInsecureRequests, UserAgent, Vary, Via, Warning, WWWAuthenticate, XContentTypeOptions, XFrameOptions,
    XPoweredBy, XRequestedWith, XUACompatible, XXSSProtection
}

/// <summary>Name to value and back, without allocation.</summary>
internal static class KnownHeaders
{
    /// <summary>The last name that <see cref="Http1.BodyFraming"/> looks at.</summary>
    public const KnownHeader LastFramingHeader = KnownHeader.Upgrade;

    private const int NameLengthMax = 35; // Content-Security-Policy-Report-Only

    // Found by search: 90 names in 512 slots, at most two of them one slot further than their hash says.
    private const uint HashMultiplier = 0x9F7A7DAF;
    private const int SlotBits = 9;

    // Index = KnownHeader; casing as in Microsoft.Net.Http.Headers.HeaderNames.
    private static readonly string[] s_names =
    [
        "",
        "Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "TE", "Upgrade", "Accept", "Accept-Charset", "Accept-Encoding",
        "Accept-Language", "Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
        "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Access-Control-Request-Headers",
        "Access-Control-Request-Method", "Age", "Allow", "Alt-Svc", "Authorization", "baggage", "Cache-Control", "Content-Disposition",
        "Content-Encoding", "Content-Language", "Content-Location", "Content-MD5", "Content-Range", "Content-Security-Policy",
        "Content-Security-Policy-Report-Only", "Content-Type", "Correlation-Context", "Cookie", "Date", "DNT", "ETag", "Expires", "From",
        "Grpc-Accept-Encoding", "Grpc-Encoding", "Grpc-Message", "Grpc-Status", "Grpc-Timeout", "If-Match", "If-Modified-Since", "If-None-Match",
        "If-Range", "If-Unmodified-Since", "Keep-Alive", "Last-Modified", "Link", "Location", "Max-Forwards", "Origin", "Pragma",
        "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Request-Id", "Retry-After", "Sec-WebSocket-Accept",
        "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Server", "Set-Cookie",
        "Strict-Transport-Security", "traceparent", "tracestate", "Trailer", "Translate", "Upgrade-Insecure-Requests", "User-Agent", "Vary", "Via",
        "Warning", "WWW-Authenticate", "X-Content-Type-Options", "X-Frame-Options", "X-Powered-By", "X-Requested-With", "X-UA-Compatible",
        "X-XSS-Protection",
    ];

    // "Name: " as it stands in a field line.
    private static readonly byte[][] s_prefixes = BuildPrefixes();

    private static readonly byte[] s_slots = BuildSlots();

    public static int Count => s_names.Length - 1;

    /// <summary>The shared string in canonical casing; the empty string for <see cref="KnownHeader.Unknown"/>.</summary>
    public static string Name(KnownHeader header) => s_names[(int)header];

    /// <summary>The name followed by a colon and a space, ready to be copied into a response.</summary>
    public static ReadOnlySpan<byte> Prefix(KnownHeader header)
    {
        Debug.Assert(header != KnownHeader.Unknown);
        return s_prefixes[(int)header];
    }

    /// <summary>Case-insensitive, RFC 9110 section 5.1. A result other than Unknown implies that the name is a token.</summary>
    public static KnownHeader Lookup(ReadOnlySpan<byte> name)
    {
        if ((uint)(name.Length - 2) > NameLengthMax - 2)
        {
            return KnownHeader.Unknown;
        }

        byte[] slots = s_slots;
        uint slot = Hash(name.Length, name[0], name[^1], name[name.Length >> 1]);
        while (true)
        {
            int candidate = slots[slot];
            if (candidate == 0)
            {
                return KnownHeader.Unknown;
            }

            ReadOnlySpan<byte> prefix = s_prefixes[candidate];
            if (prefix.Length == name.Length + 2 && Ascii.EqualsIgnoreCase(prefix[..name.Length], name))
            {
                return (KnownHeader)candidate;
            }

            slot = (slot + 1) & ((1 << SlotBits) - 1);
        }
    }

    /// <summary>As the other overload, for names that the application gives.</summary>
    public static KnownHeader Lookup(string name)
    {
        if ((uint)(name.Length - 2) > NameLengthMax - 2)
        {
            return KnownHeader.Unknown;
        }

        Span<byte> bytes = stackalloc byte[NameLengthMax];
        return Ascii.FromUtf16(name, bytes, out int written) == System.Buffers.OperationStatus.Done
            ? Lookup(bytes[..written])
            : KnownHeader.Unknown;
    }

    private static uint Hash(int length, byte first, byte last, byte middle)
    {
        // Folding with 0x20 may unite unlike characters; the compare that follows decides.
        uint key = (uint)length + ((uint)(first | 0x20) << 8) + ((uint)(last | 0x20) << 16) + ((uint)(middle | 0x20) << 24);
        return unchecked(key * HashMultiplier) >> (32 - SlotBits);
    }

    private static byte[][] BuildPrefixes()
    {
        byte[][] prefixes = new byte[s_names.Length][];
        prefixes[0] = [];
        for (int i = 1; i < prefixes.Length; i++)
        {
            prefixes[i] = Encoding.ASCII.GetBytes(s_names[i] + ": ");
        }

        return prefixes;
    }

    private static byte[] BuildSlots()
    {
        byte[] slots = new byte[1 << SlotBits];
        for (int i = 1; i < s_names.Length; i++)
        {
            string name = s_names[i];
            Debug.Assert(name.Length is >= 2 and <= NameLengthMax);
            uint slot = Hash(name.Length, (byte)name[0], (byte)name[^1], (byte)name[name.Length >> 1]);
            while (slots[slot] != 0)
            {
                slot = (slot + 1) & ((1 << SlotBits) - 1);
            }

            slots[slot] = (byte)i;
        }

        return slots;
    }
}
