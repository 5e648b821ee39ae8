using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Http.Semantics;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Aeronet.Server.Exchange;

// The response as ASP.NET Core sees it. Started (headers fixed, callbacks run) comes before committed (framing decided, bytes in the queue).
internal abstract partial class HttpExchange :
    IHttpResponseFeature,
    IHttpResponseBodyFeature,
    IHttpResponseTrailersFeature,
    IHttpMinResponseDataRateFeature
{
    private int _statusCode = StatusCodes.Status200OK;
    private string? _reasonPhrase;
    private bool _started;
    private bool _responseCompleted = true; // CompleteAsync, or the end of the application; also between requests
    private IHeaderDictionary? _replacedResponseHeaders;
    private Stack<KeyValuePair<Func<object, Task>, object>>? _onStarting;
    private Stack<KeyValuePair<Func<object, Task>, object>>? _onCompleted;
    private ResponseTrailers? _responseTrailers;
    private IHeaderDictionary? _replacedResponseTrailers;

    public ResponseHeaders ResponseFields { get; }

    public bool HasStarted => _started;

    public MinDataRate? MinResponseDataRate { get; set; }

    /// <summary>Non-null once the application has asked for the trailers of this response.</summary>
    public ResponseTrailers? ResponseTrailersIfAny { get; private set; }

    public bool HasOnStarting => _onStarting is { Count: > 0 };

    protected bool HasOnCompleted => _onCompleted is { Count: > 0 };

    public int StatusCode
    {
        get => _statusCode;
        set
        {
            ThrowIfStarted(nameof(StatusCode));
            if (value is < 100 or > 999)
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "The status code must be from 100 to 999.");
            }

            _statusCode = value;
        }
    }

    public string? ReasonPhrase
    {
        get => _reasonPhrase;
        set
        {
            ThrowIfStarted(nameof(ReasonPhrase));
            if (value is not null)
            {
                int bad = FieldSyntax.IndexOfInvalidValueChar(value);
                if (bad >= 0)
                {
                    HeaderErrors.ThrowInvalidCharacter(value[bad]);
                }
            }

            _reasonPhrase = string.IsNullOrEmpty(value) ? null : value; // nothing said: the standard phrase
        }
    }

    IHeaderDictionary IHttpResponseFeature.Headers
    {
        get => _replacedResponseHeaders ?? ResponseFields;
        set
        {
            ThrowIfStarted("Headers");
            _replacedResponseHeaders = value;
        }
    }

    // Only the body feature writes the body; the old property stays for code of the first ASP.NET Core versions.
    Stream IHttpResponseFeature.Body
    {
        get => ResponseStream;
        set => throw new NotSupportedException("Set IHttpResponseBodyFeature instead.");
    }

    Stream IHttpResponseBodyFeature.Stream => ResponseStream;

    PipeWriter IHttpResponseBodyFeature.Writer => Keep.ResponseWriter ??= new ResponseBodyWriter(this);

    private Stream ResponseStream => Keep.ResponseStream ??= new ResponseBodyStream(this);

    IHeaderDictionary IHttpResponseTrailersFeature.Trailers
    {
        get => _replacedResponseTrailers ?? (ResponseTrailersIfAny ??= _responseTrailers ??= new ResponseTrailers(Settings.ResponseHeaderEncodingSelector));
        set => _replacedResponseTrailers = value;
    }

    MinDataRate? IHttpMinResponseDataRateFeature.MinDataRate
    {
        get => MinResponseDataRate;
        set => MinResponseDataRate = value;
    }

    public void OnStarting(Func<object, Task> callback, object state)
    {
        ThrowIfStarted(nameof(OnStarting));
        (_onStarting ??= new()).Push(KeyValuePair.Create(callback, state));
    }

    public void OnCompleted(Func<object, Task> callback, object state) => (_onCompleted ??= new()).Push(KeyValuePair.Create(callback, state));

    public void DisableBuffering()
    {
        // Nothing is buffered that a flush would not send.
    }

    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        if (_started || _responseCompleted)
        {
            return Task.CompletedTask;
        }

        if (HasOnStarting)
        {
            return StartSlowAsync();
        }

        Start();
        return Task.CompletedTask;

        async Task StartSlowAsync()
        {
            uint request = RequestNumber;
            await FireOnStartingAsync().ConfigureAwait(false);
            ThrowIfOver(request); // the application may have ended without awaiting this, and the exchange may serve another connection
            Start();
        }
    }

    public async Task CompleteAsync()
    {
        if (_responseCompleted)
        {
            return;
        }

        if (Output.HasFile)
        {
            throw ResponseOutput.FileIsUnderWay();
        }

        await StartAsync(CancellationToken.None).ConfigureAwait(false);
        CheckContentLength();
        if (_applicationError is not null)
        {
            throw _applicationError;
        }

        if (!Output.TryRefuseFiles())
        {
            throw ResponseOutput.FileIsUnderWay();
        }

        _responseCompleted = true;
        Output.End(send: true); // the application goes on although the response is complete: the client need not wait for it
    }

    /// <summary>Nothing may be written any more.</summary>
    public bool IsResponseCompleted => _responseCompleted;

    /// <summary>Fields that contradict the status are the application's mistake: told to it while the response can still become an error.</summary>
    public void CheckResponseFields()
    {
        if (_statusCode < 200 || _statusCode == StatusCodes.Status204NoContent)
        {
            if (ResponseFields.HasContentLength)
            {
                throw NotAllowed("Content-Length"); // RFC 9110 section 8.6
            }
        }

        if (ResponseFields.HasTransferEncoding && !ResponseHead.StatusAllowsContent(_statusCode) && !_upgraded)
        {
            throw NotAllowed("Transfer-Encoding"); // RFC 9112 section 6.1
        }

        InvalidOperationException NotAllowed(string name) => new($"Setting the header {name} is not allowed on responses with status code {_statusCode}.");
    }

    private void Start()
    {
        CheckResponseFields();
        MarkStarted();
    }

    /// <summary>Headers and status are fixed from here on.</summary>
    public void MarkStarted()
    {
        if (!_started)
        {
            if (_replacedResponseHeaders is not null)
            {
                CopyReplacedHeaders(_replacedResponseHeaders);
            }

            _started = true; // not before the copy, which refuses what is no field: the response can still become an error then
            ResponseFields.SetReadOnly();
        }
    }

    /// <summary>Runs the OnStarting callbacks, last registered first. A throwing one ends the row: the response becomes an error.</summary>
    public async Task FireOnStartingAsync()
    {
        while (_onStarting is not null && _onStarting.TryPop(out KeyValuePair<Func<object, Task>, object> entry))
        {
            await entry.Key(entry.Value).ConfigureAwait(false);
        }
    }

    protected async Task FireOnCompletedAsync()
    {
        while (_onCompleted is not null && _onCompleted.TryPop(out KeyValuePair<Func<object, Task>, object> entry))
        {
            try
            {
                await entry.Key(entry.Value).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                ReportApplicationError(exception);
            }
        }
    }

    // A method of its own, or every row of callbacks would allocate what the lambda captures. The rest of the row runs whatever a log provider throws.
    private void ReportApplicationError(Exception exception) => Guard.Run(() => Settings.Log.General.ApplicationError(ConnectionId, TraceIdentifier, exception));

    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken)
    {
        if (!_started && !_responseCompleted) // after the end the output drops what comes
        {
            if (HasOnStarting)
            {
                return FlushAfterStartingAsync(cancellationToken);
            }

            Start();
        }

        return Output.FlushAsync(cancellationToken);
    }

    public ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (!_started && !_responseCompleted)
        {
            if (HasOnStarting)
            {
                return WriteAfterStartingAsync(content, cancellationToken);
            }

            Output.CheckFirstWrite(content.Length);
            Start();
        }

        return Output.WriteAsync(content, cancellationToken);
    }

    private async ValueTask<FlushResult> FlushAfterStartingAsync(CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken).ConfigureAwait(false);
        return await Output.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<FlushResult> WriteAfterStartingAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken).ConfigureAwait(false);
        return await Output.WriteAsync(content, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The head promised a length, or there is no content: trailers have no place behind it.</summary>
    public void OnTrailersDropped(ResponseTrailers trailers)
    {
        foreach (string name in trailers.Keys)
        {
            Settings.Log.General.InvalidResponseHeaderRemoved(ConnectionId, name);
        }
    }

    // The response becomes what the failure says: the application's headers would describe content that does not come.
    private void SetErrorResponse()
    {
        _statusCode = _applicationError is Microsoft.AspNetCore.Http.BadHttpRequestException refused ? refused.StatusCode : StatusCodes.Status500InternalServerError;
        _reasonPhrase = null;
        _replacedResponseHeaders = null;
        ResponseFields.Reset();
        ResponseTrailersIfAny = null;
        _replacedResponseTrailers = null;
        Output.DiscardPending();
    }

    // What the application started and did not wait for ends here: nothing of this request may reach into the next.
    protected void CompleteBodies()
    {
        _responseCompleted = true;
        if (RequestBody.AbandonWait())
        {
            _keepAlive = false;
            IsRetired = true;
        }
    }

    private void ResetResponse()
    {
        _statusCode = StatusCodes.Status200OK;
        _reasonPhrase = null;
        _started = false;
        _responseCompleted = true;
        _replacedResponseHeaders = null;
        _onStarting?.Clear();
        _onCompleted?.Clear();
        _replacedResponseTrailers = null;
        if (ResponseTrailersIfAny is not null)
        {
            ResponseTrailersIfAny.Reset();
            ResponseTrailersIfAny = null;
        }

        _keep?.ResponseWriter?.Reset();
        ResponseFields.Reset();
    }

    // Middleware may have put another dictionary in place of ours: its fields are copied, and so checked, once.
    private void CopyReplacedHeaders(IHeaderDictionary replaced)
    {
        ResponseFields.Reset();
        foreach (KeyValuePair<string, Microsoft.Extensions.Primitives.StringValues> field in replaced)
        {
            ResponseFields[field.Key] = field.Value;
        }
    }

    private void ThrowIfStarted(string what)
    {
        if (_started)
        {
            throw new InvalidOperationException($"{what} cannot be set because the response has already started.");
        }
    }
}
