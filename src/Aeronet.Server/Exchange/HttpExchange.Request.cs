using System;
using System.Diagnostics;
using System.IO;
using System.IO.Pipelines;
using System.Text;
using System.Threading.Tasks;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Aeronet.Server.Exchange;

// The request as ASP.NET Core sees it. Strings are made when asked for, and those equal to the previous request's are reused.
internal abstract partial class HttpExchange :
    IHttpRequestFeature,
    IHttpRequestBodyDetectionFeature,
    IRequestBodyPipeFeature,
    IHttpRequestTrailersFeature,
    IHttpMaxRequestBodySizeFeature,
    IHttpMinRequestBodyDataRateFeature,
    IHttpBodyControlFeature
{
    private readonly RequestHeaders _requestHeaders;

    // Non-null once asked for or set by the application.
    private string? _method;
    private string? _scheme;
    private string? _protocol;
    private string? _rawTarget;
    private string? _path;
    private string? _queryString;
    private string _pathBase = "";
    private IHeaderDictionary? _replacedRequestHeaders;
    private Stream? _requestStream;
    private PipeReader? _requestReader;
    private Stream? _requestReaderSource;         // the stream that _requestReader reads
    private PipeReader? _ownRequestReader;        // non-null while the server's own reader may hold bytes that the own stream must not miss
    private RequestTrailers? _requestTrailers;    // non-null once trailers have come

    // The strings of the last target, kept for the next request on any connection that sends the same bytes.
    private string _lastRawTarget = "";
    private string _lastPath = "";
    private string _lastQuery = "";

    private long? _maxRequestBodySize;

    /// <summary>The limit in force for this request; null: none.</summary>
    public long? MaxRequestBodySizeLimit => _maxRequestBodySize;

    public MinDataRate? MinRequestBodyDataRate { get; set; }

    public bool AllowSynchronousIO { get; set; }

    public string Protocol
    {
        get => _protocol ??= IsHttp10 ? HttpProtocol.Http10 : HttpProtocol.Http11;
        set => _protocol = value;
    }

    public string Scheme
    {
        get => _scheme ??= Session.Connection.IsTls ? "https" : "http";
        set => _scheme = value;
    }

    public string Method
    {
        get => _method ??= Head.Method == Aeronet.Http.Semantics.HttpMethod.Other ? Encoding.ASCII.GetString(HeadBytes(Head.Start, Head.MethodLength)) : Aeronet.Http.Semantics.HttpMethods.Name(Head.Method);
        set => _method = value;
    }

    public string PathBase
    {
        get => _pathBase;
        set => _pathBase = value;
    }

    public string Path
    {
        get
        {
            if (_path is null)
            {
                MakeTargetStrings();
            }

            return _path!;
        }

        set => _path = value;
    }

    public string QueryString
    {
        get
        {
            if (_queryString is null)
            {
                MakeTargetStrings();
            }

            return _queryString!;
        }

        set => _queryString = value;
    }

    public string RawTarget
    {
        get
        {
            if (_rawTarget is null)
            {
                MakeTargetStrings();
            }

            return _rawTarget!;
        }

        set => _rawTarget = value;
    }

    IHeaderDictionary IHttpRequestFeature.Headers
    {
        get => _replacedRequestHeaders ?? _requestHeaders;
        set => _replacedRequestHeaders = value;
    }

    Stream IHttpRequestFeature.Body
    {
        get => RequestStream;
        set
        {
            _requestStream = value;
            _requestReader = null; // the next reader wraps the new stream
        }
    }

    private Stream RequestStream => _requestStream ??= Keep.RequestStream ??= new RequestBodyStream(this);

    PipeReader IRequestBodyPipeFeature.Reader
    {
        get
        {
            Stream stream = RequestStream;
            if (_requestReader is null || !ReferenceEquals(_requestReaderSource, stream))
            {
                MakeRequestReader(stream);
            }

            return _requestReader!;
        }
    }

    /// <summary>The server's own reader, when the application has asked for one: it may hold bytes that were received but not consumed.</summary>
    public PipeReader? OwnRequestReader => _ownRequestReader;

    // False for an upgradable request: proxies (YARP) would send it on with an empty chunked body, which is no upgrade any more.
    bool IHttpRequestBodyDetectionFeature.CanHaveBody => RequestBody.CanHaveBody;

    bool IHttpRequestTrailersFeature.Available => RequestBody.TrailersAvailable;

    IHeaderDictionary IHttpRequestTrailersFeature.Trailers
    {
        get
        {
            if (!RequestBody.TrailersAvailable)
            {
                throw new InvalidOperationException("The request trailers are not available yet. They may not be available until the full request body is read.");
            }

            return _requestTrailers ??= new RequestTrailers(Settings.RequestHeaderEncodingSelector);
        }
    }

    bool IHttpMaxRequestBodySizeFeature.IsReadOnly => RequestBody.IsReadStarted || IsUpgraded;

    long? IHttpMaxRequestBodySizeFeature.MaxRequestBodySize
    {
        get => _maxRequestBodySize;
        set
        {
            if (RequestBody.IsReadStarted)
            {
                throw new InvalidOperationException("The maximum request body size cannot be modified after the app has already started reading from the request body.");
            }

            if (IsUpgraded)
            {
                throw new InvalidOperationException("The maximum request body size cannot be modified after the request has been upgraded.");
            }

            if (value < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "Value must be null or a non-negative number.");
            }

            _maxRequestBodySize = value;
        }
    }

    MinDataRate? IHttpMinRequestBodyDataRateFeature.MinDataRate
    {
        get => MinRequestBodyDataRate;
        set => MinRequestBodyDataRate = value;
    }

    private void BeginRequest()
    {
        _maxRequestBodySize = Settings.MaxRequestBodySize;
        MinRequestBodyDataRate = Settings.MinRequestBodyDataRate;
        MinResponseDataRate = Settings.MinResponseDataRate;
        AllowSynchronousIO = Settings.AllowSynchronousIO;
    }

    private void ResetRequest()
    {
        _method = null;
        _scheme = null;
        _protocol = null;
        _rawTarget = null;
        _path = null;
        _queryString = null;
        _pathBase = "";
        _replacedRequestHeaders = null;
        _requestStream = null;
        _requestReader = null;
        _requestReaderSource = null;
        _ownRequestReader = null;
        _requestHeaders.Reset();
        _requestTrailers?.Reset();
        _requestTrailers = null;
    }

    /// <summary>The application's first read: the client may be waiting for leave to send.</summary>
    public void OnBodyReadStarted()
    {
        if (Settings.Log.General.IsDebugEnabled)
        {
            Settings.Log.General.RequestBodyStart(ConnectionId, TraceIdentifier);
        }

        // RFC 9110 section 10.1.1: not needed when the content is coming already, senseless after the final response has begun.
        if (Head.ExpectsContinue && !HasStarted && Session.Input.Length == 0)
        {
            Output.SendInterim("HTTP/1.1 100 Continue\r\n\r\n"u8);
        }
    }

    /// <summary>Makes the trailers' strings: their bytes leave with the body. False: a value is no text.</summary>
    public bool TryKeepTrailers(ReadOnlySpan<byte> bytes, out int badOffset)
    {
        _requestTrailers ??= new RequestTrailers(Settings.RequestHeaderEncodingSelector);
        return _requestTrailers.TryLoad(Trailers.Fields, bytes, out badOffset);
    }

    /// <summary>True when every field value can become a string: asked before the application starts.</summary>
    public bool TryDecodeHeaders(out int badOffset) => _requestHeaders.TryDecodeAll(out badOffset);

    // Makes the strings that the application may still ask for, so that the head's bytes need not stay.
    private void LetGoOfHead()
    {
        _requestHeaders.Release();
        _ = Method;
        _ = RawTarget;
        ReleaseHead();
        _headDetached = true; // received bytes may take the head's place
    }

    private void MakeTargetStrings()
    {
        ReadOnlySpan<byte> target = HeadBytes(Head.TargetStart, Head.TargetLength);
        if (Settings.DisableStringReuse || !Ascii.Equals(target, _lastRawTarget))
        {
            _lastRawTarget = Encoding.ASCII.GetString(target);
            _lastPath = Head.TargetForm switch
            {
                RequestTargetForm.Origin or RequestTargetForm.Absolute => MakePath(),
                _ => "", // asterisk and authority form name no path
            };
            _lastQuery = Head.QueryLength == 0 ? "" : Encoding.ASCII.GetString(HeadBytes(Head.QueryStart, Head.QueryLength));
        }

        _rawTarget ??= _lastRawTarget;
        _path ??= _lastPath;
        _queryString ??= _lastQuery;
    }

    private string MakePath()
    {
        if (Head.PathLength == 0)
        {
            return "/"; // RFC 9110 section 4.2.3: an empty path of an absolute target is the root
        }

        ReadOnlySpan<byte> raw = HeadBytes(Head.PathStart, Head.PathLength);
        return Head.PathNeedsDecoding ? RequestPath.Decode(raw) : RequestPath.FromPlain(raw);
    }

    private void MakeRequestReader(Stream stream)
    {
        _requestReaderSource = stream;
        if (ReferenceEquals(stream, Keep.RequestStream))
        {
            // Over the raw body, and the own stream reads through it from now on: bytes peeked at through either stay visible through both.
            _requestReader = _ownRequestReader ??= PipeReader.Create(new RequestBodySource(this), new StreamPipeReaderOptions(leaveOpen: true, useZeroByteReads: false));
            return;
        }

        PipeReader reader = PipeReader.Create(stream, new StreamPipeReaderOptions(useZeroByteReads: true));
        _requestReader = reader;
        OnCompleted(static state => ((PipeReader)state).CompleteAsync().AsTask(), reader);
    }
}
