using System;

namespace Aeronet.Http.Semantics;

/// <summary>Fields that must not arrive in a trailer section: framing, routing, authentication, content format. RFC 9110 section 6.5.1.</summary>
internal static class TrailerFields
{
    /// <summary>Case-insensitive.</summary>
    public static bool IsForbidden(ReadOnlySpan<byte> name) => IsForbidden(KnownHeaders.Lookup(name));

    public static bool IsForbidden(string name) => IsForbidden(KnownHeaders.Lookup(name));

    /// <summary>Every forbidden name is a known one, so that the look-up done for the field line is enough.</summary>
    public static bool IsForbidden(KnownHeader header) => header is
        KnownHeader.Age or KnownHeader.Authorization or KnownHeader.CacheControl or KnownHeader.Connection
        or KnownHeader.ContentEncoding or KnownHeader.ContentLength or KnownHeader.ContentRange or KnownHeader.ContentType
        or KnownHeader.Cookie or KnownHeader.Date or KnownHeader.Expect or KnownHeader.Expires or KnownHeader.Host
        or KnownHeader.IfMatch or KnownHeader.IfModifiedSince or KnownHeader.IfNoneMatch or KnownHeader.IfRange
        or KnownHeader.IfUnmodifiedSince or KnownHeader.KeepAlive or KnownHeader.Location or KnownHeader.MaxForwards
        or KnownHeader.Pragma or KnownHeader.ProxyAuthenticate or KnownHeader.ProxyAuthorization or KnownHeader.Range
        or KnownHeader.RetryAfter or KnownHeader.SetCookie or KnownHeader.TE or KnownHeader.Trailer
        or KnownHeader.TransferEncoding or KnownHeader.Upgrade or KnownHeader.Vary or KnownHeader.Warning
        or KnownHeader.WWWAuthenticate;
}
