using Aeronet.Http.Semantics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

// The typed properties go straight to the slot; the interface's own implementations would look every name up as a string.
internal abstract partial class HeaderFields
{
    StringValues IHeaderDictionary.Accept { get => Get(KnownHeader.Accept); set => Set(KnownHeader.Accept, value); }
    StringValues IHeaderDictionary.AcceptCharset { get => Get(KnownHeader.AcceptCharset); set => Set(KnownHeader.AcceptCharset, value); }
    StringValues IHeaderDictionary.AcceptEncoding { get => Get(KnownHeader.AcceptEncoding); set => Set(KnownHeader.AcceptEncoding, value); }
    StringValues IHeaderDictionary.AcceptLanguage { get => Get(KnownHeader.AcceptLanguage); set => Set(KnownHeader.AcceptLanguage, value); }
    StringValues IHeaderDictionary.AcceptRanges { get => Get(KnownHeader.AcceptRanges); set => Set(KnownHeader.AcceptRanges, value); }
    StringValues IHeaderDictionary.AccessControlAllowCredentials { get => Get(KnownHeader.AccessControlAllowCredentials); set => Set(KnownHeader.AccessControlAllowCredentials, value); }
    StringValues IHeaderDictionary.AccessControlAllowHeaders { get => Get(KnownHeader.AccessControlAllowHeaders); set => Set(KnownHeader.AccessControlAllowHeaders, value); }
    StringValues IHeaderDictionary.AccessControlAllowMethods { get => Get(KnownHeader.AccessControlAllowMethods); set => Set(KnownHeader.AccessControlAllowMethods, value); }
    StringValues IHeaderDictionary.AccessControlAllowOrigin { get => Get(KnownHeader.AccessControlAllowOrigin); set => Set(KnownHeader.AccessControlAllowOrigin, value); }
    StringValues IHeaderDictionary.AccessControlExposeHeaders { get => Get(KnownHeader.AccessControlExposeHeaders); set => Set(KnownHeader.AccessControlExposeHeaders, value); }
    StringValues IHeaderDictionary.AccessControlMaxAge { get => Get(KnownHeader.AccessControlMaxAge); set => Set(KnownHeader.AccessControlMaxAge, value); }
    StringValues IHeaderDictionary.AccessControlRequestHeaders { get => Get(KnownHeader.AccessControlRequestHeaders); set => Set(KnownHeader.AccessControlRequestHeaders, value); }
    StringValues IHeaderDictionary.AccessControlRequestMethod { get => Get(KnownHeader.AccessControlRequestMethod); set => Set(KnownHeader.AccessControlRequestMethod, value); }
    StringValues IHeaderDictionary.Age { get => Get(KnownHeader.Age); set => Set(KnownHeader.Age, value); }
    StringValues IHeaderDictionary.Allow { get => Get(KnownHeader.Allow); set => Set(KnownHeader.Allow, value); }
    StringValues IHeaderDictionary.AltSvc { get => Get(KnownHeader.AltSvc); set => Set(KnownHeader.AltSvc, value); }
    StringValues IHeaderDictionary.Authorization { get => Get(KnownHeader.Authorization); set => Set(KnownHeader.Authorization, value); }
    StringValues IHeaderDictionary.Baggage { get => Get(KnownHeader.Baggage); set => Set(KnownHeader.Baggage, value); }
    StringValues IHeaderDictionary.CacheControl { get => Get(KnownHeader.CacheControl); set => Set(KnownHeader.CacheControl, value); }
    StringValues IHeaderDictionary.Connection { get => Get(KnownHeader.Connection); set => Set(KnownHeader.Connection, value); }
    StringValues IHeaderDictionary.ContentDisposition { get => Get(KnownHeader.ContentDisposition); set => Set(KnownHeader.ContentDisposition, value); }
    StringValues IHeaderDictionary.ContentEncoding { get => Get(KnownHeader.ContentEncoding); set => Set(KnownHeader.ContentEncoding, value); }
    StringValues IHeaderDictionary.ContentLanguage { get => Get(KnownHeader.ContentLanguage); set => Set(KnownHeader.ContentLanguage, value); }
    StringValues IHeaderDictionary.ContentLocation { get => Get(KnownHeader.ContentLocation); set => Set(KnownHeader.ContentLocation, value); }
    StringValues IHeaderDictionary.ContentMD5 { get => Get(KnownHeader.ContentMD5); set => Set(KnownHeader.ContentMD5, value); }
    StringValues IHeaderDictionary.ContentRange { get => Get(KnownHeader.ContentRange); set => Set(KnownHeader.ContentRange, value); }
    StringValues IHeaderDictionary.ContentSecurityPolicy { get => Get(KnownHeader.ContentSecurityPolicy); set => Set(KnownHeader.ContentSecurityPolicy, value); }
    StringValues IHeaderDictionary.ContentSecurityPolicyReportOnly { get => Get(KnownHeader.ContentSecurityPolicyReportOnly); set => Set(KnownHeader.ContentSecurityPolicyReportOnly, value); }
    StringValues IHeaderDictionary.ContentType { get => Get(KnownHeader.ContentType); set => Set(KnownHeader.ContentType, value); }
    StringValues IHeaderDictionary.CorrelationContext { get => Get(KnownHeader.CorrelationContext); set => Set(KnownHeader.CorrelationContext, value); }
    StringValues IHeaderDictionary.Cookie { get => Get(KnownHeader.Cookie); set => Set(KnownHeader.Cookie, value); }
    StringValues IHeaderDictionary.Date { get => Get(KnownHeader.Date); set => Set(KnownHeader.Date, value); }
    StringValues IHeaderDictionary.ETag { get => Get(KnownHeader.ETag); set => Set(KnownHeader.ETag, value); }
    StringValues IHeaderDictionary.Expires { get => Get(KnownHeader.Expires); set => Set(KnownHeader.Expires, value); }
    StringValues IHeaderDictionary.Expect { get => Get(KnownHeader.Expect); set => Set(KnownHeader.Expect, value); }
    StringValues IHeaderDictionary.From { get => Get(KnownHeader.From); set => Set(KnownHeader.From, value); }
    StringValues IHeaderDictionary.GrpcAcceptEncoding { get => Get(KnownHeader.GrpcAcceptEncoding); set => Set(KnownHeader.GrpcAcceptEncoding, value); }
    StringValues IHeaderDictionary.GrpcEncoding { get => Get(KnownHeader.GrpcEncoding); set => Set(KnownHeader.GrpcEncoding, value); }
    StringValues IHeaderDictionary.GrpcMessage { get => Get(KnownHeader.GrpcMessage); set => Set(KnownHeader.GrpcMessage, value); }
    StringValues IHeaderDictionary.GrpcStatus { get => Get(KnownHeader.GrpcStatus); set => Set(KnownHeader.GrpcStatus, value); }
    StringValues IHeaderDictionary.GrpcTimeout { get => Get(KnownHeader.GrpcTimeout); set => Set(KnownHeader.GrpcTimeout, value); }
    StringValues IHeaderDictionary.Host { get => Get(KnownHeader.Host); set => Set(KnownHeader.Host, value); }
    StringValues IHeaderDictionary.KeepAlive { get => Get(KnownHeader.KeepAlive); set => Set(KnownHeader.KeepAlive, value); }
    StringValues IHeaderDictionary.IfMatch { get => Get(KnownHeader.IfMatch); set => Set(KnownHeader.IfMatch, value); }
    StringValues IHeaderDictionary.IfModifiedSince { get => Get(KnownHeader.IfModifiedSince); set => Set(KnownHeader.IfModifiedSince, value); }
    StringValues IHeaderDictionary.IfNoneMatch { get => Get(KnownHeader.IfNoneMatch); set => Set(KnownHeader.IfNoneMatch, value); }
    StringValues IHeaderDictionary.IfRange { get => Get(KnownHeader.IfRange); set => Set(KnownHeader.IfRange, value); }
    StringValues IHeaderDictionary.IfUnmodifiedSince { get => Get(KnownHeader.IfUnmodifiedSince); set => Set(KnownHeader.IfUnmodifiedSince, value); }
    StringValues IHeaderDictionary.LastModified { get => Get(KnownHeader.LastModified); set => Set(KnownHeader.LastModified, value); }
    StringValues IHeaderDictionary.Link { get => Get(KnownHeader.Link); set => Set(KnownHeader.Link, value); }
    StringValues IHeaderDictionary.Location { get => Get(KnownHeader.Location); set => Set(KnownHeader.Location, value); }
    StringValues IHeaderDictionary.MaxForwards { get => Get(KnownHeader.MaxForwards); set => Set(KnownHeader.MaxForwards, value); }
    StringValues IHeaderDictionary.Origin { get => Get(KnownHeader.Origin); set => Set(KnownHeader.Origin, value); }
    StringValues IHeaderDictionary.Pragma { get => Get(KnownHeader.Pragma); set => Set(KnownHeader.Pragma, value); }
    StringValues IHeaderDictionary.ProxyAuthenticate { get => Get(KnownHeader.ProxyAuthenticate); set => Set(KnownHeader.ProxyAuthenticate, value); }
    StringValues IHeaderDictionary.ProxyAuthorization { get => Get(KnownHeader.ProxyAuthorization); set => Set(KnownHeader.ProxyAuthorization, value); }
    StringValues IHeaderDictionary.ProxyConnection { get => Get(KnownHeader.ProxyConnection); set => Set(KnownHeader.ProxyConnection, value); }
    StringValues IHeaderDictionary.Range { get => Get(KnownHeader.Range); set => Set(KnownHeader.Range, value); }
    StringValues IHeaderDictionary.Referer { get => Get(KnownHeader.Referer); set => Set(KnownHeader.Referer, value); }
    StringValues IHeaderDictionary.RetryAfter { get => Get(KnownHeader.RetryAfter); set => Set(KnownHeader.RetryAfter, value); }
    StringValues IHeaderDictionary.RequestId { get => Get(KnownHeader.RequestId); set => Set(KnownHeader.RequestId, value); }
    StringValues IHeaderDictionary.SecWebSocketAccept { get => Get(KnownHeader.SecWebSocketAccept); set => Set(KnownHeader.SecWebSocketAccept, value); }
    StringValues IHeaderDictionary.SecWebSocketKey { get => Get(KnownHeader.SecWebSocketKey); set => Set(KnownHeader.SecWebSocketKey, value); }
    StringValues IHeaderDictionary.SecWebSocketProtocol { get => Get(KnownHeader.SecWebSocketProtocol); set => Set(KnownHeader.SecWebSocketProtocol, value); }
    StringValues IHeaderDictionary.SecWebSocketVersion { get => Get(KnownHeader.SecWebSocketVersion); set => Set(KnownHeader.SecWebSocketVersion, value); }
    StringValues IHeaderDictionary.SecWebSocketExtensions { get => Get(KnownHeader.SecWebSocketExtensions); set => Set(KnownHeader.SecWebSocketExtensions, value); }
    StringValues IHeaderDictionary.Server { get => Get(KnownHeader.Server); set => Set(KnownHeader.Server, value); }
    StringValues IHeaderDictionary.SetCookie { get => Get(KnownHeader.SetCookie); set => Set(KnownHeader.SetCookie, value); }
    StringValues IHeaderDictionary.StrictTransportSecurity { get => Get(KnownHeader.StrictTransportSecurity); set => Set(KnownHeader.StrictTransportSecurity, value); }
    StringValues IHeaderDictionary.TE { get => Get(KnownHeader.TE); set => Set(KnownHeader.TE, value); }
    StringValues IHeaderDictionary.Trailer { get => Get(KnownHeader.Trailer); set => Set(KnownHeader.Trailer, value); }
    StringValues IHeaderDictionary.TransferEncoding { get => Get(KnownHeader.TransferEncoding); set => Set(KnownHeader.TransferEncoding, value); }
    StringValues IHeaderDictionary.Translate { get => Get(KnownHeader.Translate); set => Set(KnownHeader.Translate, value); }
    StringValues IHeaderDictionary.TraceParent { get => Get(KnownHeader.TraceParent); set => Set(KnownHeader.TraceParent, value); }
    StringValues IHeaderDictionary.TraceState { get => Get(KnownHeader.TraceState); set => Set(KnownHeader.TraceState, value); }
    StringValues IHeaderDictionary.Upgrade { get => Get(KnownHeader.Upgrade); set => Set(KnownHeader.Upgrade, value); }
    StringValues IHeaderDictionary.UpgradeInsecureRequests { get => Get(KnownHeader.UpgradeInsecureRequests); set => Set(KnownHeader.UpgradeInsecureRequests, value); }
    StringValues IHeaderDictionary.UserAgent { get => Get(KnownHeader.UserAgent); set => Set(KnownHeader.UserAgent, value); }
    StringValues IHeaderDictionary.Vary { get => Get(KnownHeader.Vary); set => Set(KnownHeader.Vary, value); }
    StringValues IHeaderDictionary.Via { get => Get(KnownHeader.Via); set => Set(KnownHeader.Via, value); }
    StringValues IHeaderDictionary.Warning { get => Get(KnownHeader.Warning); set => Set(KnownHeader.Warning, value); }
    StringValues IHeaderDictionary.WebSocketSubProtocols { get => Get(KnownHeader.SecWebSocketProtocol); set => Set(KnownHeader.SecWebSocketProtocol, value); }
    StringValues IHeaderDictionary.WWWAuthenticate { get => Get(KnownHeader.WWWAuthenticate); set => Set(KnownHeader.WWWAuthenticate, value); }
    StringValues IHeaderDictionary.XContentTypeOptions { get => Get(KnownHeader.XContentTypeOptions); set => Set(KnownHeader.XContentTypeOptions, value); }
    StringValues IHeaderDictionary.XFrameOptions { get => Get(KnownHeader.XFrameOptions); set => Set(KnownHeader.XFrameOptions, value); }
    StringValues IHeaderDictionary.XPoweredBy { get => Get(KnownHeader.XPoweredBy); set => Set(KnownHeader.XPoweredBy, value); }
    StringValues IHeaderDictionary.XRequestedWith { get => Get(KnownHeader.XRequestedWith); set => Set(KnownHeader.XRequestedWith, value); }
    StringValues IHeaderDictionary.XUACompatible { get => Get(KnownHeader.XUACompatible); set => Set(KnownHeader.XUACompatible, value); }
    StringValues IHeaderDictionary.XXSSProtection { get => Get(KnownHeader.XXSSProtection); set => Set(KnownHeader.XXSSProtection, value); }
}
