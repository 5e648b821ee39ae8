using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Sessions;
using Aeronet.Transport.Buffers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Server.Exchange;

/// <summary>One request and its response: the feature collection that ASP.NET Core works on, from the parsed head to the last byte framed.</summary>
/// <remarks>
/// Pooled per loop and attached to a session while that has a request; only the loop attaches and detaches. While the application runs the
/// exchange belongs to it; the loop and timers come in through <see cref="Output"/> (which locks), <see cref="RequestBody"/> (wait claimed first) and the
/// members under "Calls from other threads".
/// The parts of this class are one idea each: Features (the table), Request, Response, Connection (lifetime, upgrade, identity).
/// </remarks>
internal abstract partial class HttpExchange : IThreadPoolWorkItem
{
    // What an HTTP/2 client understands: GOAWAY, last stream 0, HTTP_1_1_REQUIRED. RFC 9113 sections 6.8 and 7.
    private static readonly byte[] s_http11Required = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xd];

    private ConnectionKeep? _keep; // Non-null from Attach to Detach.
    private Http1Session? _session; // Non-null from Attach to Detach.
    private ReceiveBuffer _headBuffer; // Allocated when the head's bytes had to leave the session's input buffer.
    private bool _headDetached;
    private byte[]? _headArray; // Where the head's bytes are; non-null while an exchange has begun.
    private int _headOffset;
    private bool _requestLineRefused;
    private bool _finished;
    private bool _keepAlive;
    private Exception? _applicationError;

    protected HttpExchange(AppRunner runner)
    {
        Runner = runner;
        Settings = runner.Settings;
        Head = new RequestHead();
        Trailers = new TrailerSection();
        RequestBody = new RequestBody(this);
        Output = new ResponseOutput(this);
        _requestHeaders = new RequestHeaders(Settings.RequestHeaderEncodingSelector, !Settings.DisableStringReuse);
        ResponseFields = new ResponseHeaders(Settings.ResponseHeaderEncodingSelector);
        FinishElsewhereAction = FinishSuspended;
        InitializeFeatures();
    }

    public AppRunner Runner { get; }

    // The continuation of a suspended application: on the thread pool, where what is thrown would end the process.
    private void FinishSuspended()
    {
        Http1Session session = Session;
        try
        {
            if (IsEndDue)
            {
                Task end = EndSuspended();
                if (!end.IsCompleted)
                {
                    end.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(FinishElsewhereAction);
                    return;
                }
            }

            session.FinishElsewhere(this);
        }
        catch (Exception exception)
        {
            session.FailEnded(this, exception);
        }
    }

    // Gone between requests: a feature that the application kept finds no stream of another connection.
    private ConnectionKeep Keep
    {
        get
        {
            ObjectDisposedException.ThrowIf(_keep is null, this);
            return _keep;
        }
    }

    public ServerSettings Settings { get; }

    public RequestHead Head { get; }

    /// <summary>Where the chunked reader's trailers are parsed into.</summary>
    public TrailerSection Trailers { get; }

    public RequestBody RequestBody { get; }

    public ResponseOutput Output { get; }

    /// <summary>Made once, so that a suspended request allocates no delegate.</summary>
    public Action FinishElsewhereAction { get; }

    public Http1Session Session
    {
        get
        {
            Debug.Assert(_session is not null);
            return _session;
        }
    }

    /// <summary>Counts the requests of this exchange: what belongs to one of them compares it.</summary>
    public uint RequestNumber { get; private set; }

    /// <summary>Ended, but not yet given back: its response may still wait for the socket, or the connection is to be closed.</summary>
    public bool IsFinished => Volatile.Read(ref _finished);

    /// <summary>Another request may follow on this connection.</summary>
    public bool KeepAlive => _keepAlive;

    public bool IsHeadRequest => Head.Method == Aeronet.Http.Semantics.HttpMethod.Head;

    /// <summary>Known to be HTTP/1.0: a head refused before its version was read is answered as HTTP/1.1.</summary>
    public bool IsHttp10 => Head.Version == HttpVersion.Http10 && Head.FieldsStart > 0 && !_requestLineRefused;

    private ReadOnlySpan<byte> HeadBytes(int start, int length) => _headArray.AsSpan(_headOffset + start, length);

    // ---- Life (loop) ------------------------------------------------------------------------------------------

    public void Attach(Http1Session session)
    {
        Debug.Assert(_session is null);
        _session = session;
        _keep = session.Keep;
        TakeHostContext(_keep);
        _keep.Bind(this);
    }

    /// <summary>Leaves its connection. What the application may still hold of its requests (context, streams) ends with that: nothing of one client's connection can reach into another's.</summary>
    public void Detach()
    {
        Debug.Assert(_session is not null);
        Debug.Assert(Output.Length == 0);
        Debug.Assert(!_begun);
        LeaveHostContext(_keep!);
        _keep!.Bind(null);
        _keep = null;
        _session = null;
    }

    /// <summary>A head has been parsed into <see cref="Head"/>; its bytes lie in <paramref name="array"/> from <paramref name="offset"/> until <see cref="Reset"/> or <see cref="KeepHead"/>.</summary>
    public void Begin(byte[] array, int offset)
    {
        Debug.Assert(!_finished);
        _headArray = array;
        _headOffset = offset;
        _keepAlive = Head.KeepAlive && Session.RequestCount < Settings.MaxRequestsPerConnection;
        _requestHeaders.Attach(Head, array, offset);
        RequestBody.Begin(Head);
        Output.Begin();
        BeginRequest();
        _responseCompleted = false;
        Volatile.Write(ref _begun, true);
    }

    /// <summary>Everything of this request is forgotten; framed bytes of its response stay in the output.</summary>
    public void Reset()
    {
        lock (_abortGate)
        {
            _begun = false; // an abort that comes from now on comes too late
        }

        ResetFeatures();
        ResetRequest();
        ResetResponse();
        ResetConnection();
        RequestBody.Reset();
        RequestNumber++; // before the output's gate is passed: who holds it with the old number comes too late
        Output.Reset();
        ReleaseHead();
        _headArray = null;
        _applicationError = null;
        _requestLineRefused = false;
        Running = null;
        Volatile.Write(ref _finished, false);
    }

    /// <summary>The connection closes: forgets request and response alike.</summary>
    public void Abandon()
    {
        Output.Abandon();
        Reset();
    }

    /// <summary>Moves the head's bytes out of the way of further receives.</summary>
    public void KeepHead()
    {
        if (!_headDetached)
        {
            _headDetached = true;
            _headBuffer = Session.Input.DetachConsumed(Session.Blocks, Settings.InitialReadSize);
        }
    }

    /// <summary>The head's bytes are elsewhere, or nobody needs them any more.</summary>
    public bool HasHeadLeftInput => _headDetached;

    private void ReleaseHead()
    {
        if (_headDetached)
        {
            _headDetached = false;
            _headBuffer.Release(Session.Blocks);
        }
    }

    public void MarkFinished() => Volatile.Write(ref _finished, true);

    public void DisableKeepAlive() => _keepAlive = false;

    /// <summary>Takes over the context that hosting keeps from request to request of this connection.</summary>
    private protected abstract void TakeHostContext(ConnectionKeep keep);

    /// <summary>Leaves that context to the connection.</summary>
    private protected abstract void LeaveHostContext(ConnectionKeep keep);

    // ---- Running (the application's thread) ---------------------------------------------------------------------

    /// <summary>Runs the application to the end of the exchange. Completes when nothing of it is left to do but to send what is framed; with <see cref="IsEndDue"/> when the application has ended.</summary>
    public abstract Task RunAsync();

    /// <summary>The application has suspended: when the task of <see cref="RunAsync"/> completes, the exchange is still to be ended.</summary>
    public bool IsEndDue { get; protected set; }

    /// <summary>Ends the exchange of an application that had suspended. Never faults.</summary>
    private protected abstract Task EndSuspended();

    void IThreadPoolWorkItem.Execute() => AppRunner.RunOnThreadPool(this);

    protected void OnApplicationError(Exception exception)
    {
        if (exception is Microsoft.AspNetCore.Http.BadHttpRequestException refused)
        {
            _keepAlive = false;
            _applicationError ??= refused;
            if (BadRequestError is null)
            {
                // Thrown by the application itself: it means what it says, too.
                BadRequestError = refused;
                Settings.Log.BadRequests.RequestProcessingError(Session.Connection, refused);
                BadRequestEvent.Write(Settings.DiagnosticSource, this);
            }

            return;
        }

        _applicationError ??= exception;
        // Reset: the application's own read or write may have met it before the loop could tell.
        if (!Output.HasBrokenOffFile && (IsRequestAbortedSignalled || Session.IsReset) && exception is OperationCanceledException or IOException)
        {
            // The client went away, or half-closed and was given up: what the application was told to drop is no error, and nobody waits for an answer.
            Settings.Log.General.RequestAborted(ConnectionId, TraceIdentifier);
            _keepAlive = false;
            Session.AbortConnection(ConnectionErrors.ConnectionReset);
            OnConnectionLost();
            return;
        }

        Settings.Log.General.ApplicationError(ConnectionId, TraceIdentifier, exception);
    }

    /// <summary>The response is cut, or becomes an error.</summary>
    protected bool HasApplicationError => _applicationError is not null;

    /// <summary>The response has as much content as it has declared, or nobody can tell the difference.</summary>
    protected bool HasContentAsDeclared
    {
        get
        {
            long? declared = ResponseFields.ContentLength;
            return declared is null || IsAborted || IsHeadRequest || ResponseFields.HasTransferEncoding || !ResponseHead.StatusAllowsContent(StatusCode) || Output.ContentWritten >= declared;
        }
    }

    /// <summary>A response whose length disagrees with what it declared cannot be repaired: the application is told in the log, the client by the close.</summary>
    protected void CheckContentLength()
    {
        if (HasContentAsDeclared)
        {
            return;
        }

        if (HasStarted)
        {
            _keepAlive = false;
            Session.EndReason ??= ConnectionErrors.ResponseContentLengthMismatch;
        }

        OnApplicationError(new InvalidOperationException($"Response Content-Length mismatch: too few bytes written ({Output.ContentWritten} of {ResponseFields.ContentLength})."));
    }

    /// <summary>Frames what is left of the response. It must not be replaced by an error: see <see cref="EndResponseAsync"/>.</summary>
    protected void EndResponse()
    {
        CompleteBodies();
        if (!IsAborted && _applicationError is null)
        {
            ForceUnreadBodyDecision();
            Output.End(send: SendsAtEnd);
        }

        if (IsAborted && !HasStarted)
        {
            _statusCode = StatusCodes.Status499ClientClosedRequest; // never sent: what logs and metrics see
        }
    }

    /// <summary>Frames what is left of the response, or replaces it by an error if that is still possible.</summary>
    protected async ValueTask EndResponseAsync()
    {
        EndResponse();
        if (IsAborted || _applicationError is null)
        {
            return;
        }

        if (HasStarted)
        {
            _keepAlive = false;
            Session.EndReason ??= ConnectionErrors.ErrorAfterStartingResponse;
            Output.EndIncomplete();
            return;
        }

        SetErrorResponse();
        if (HasOnStarting)
        {
            try
            {
                await FireOnStartingAsync().ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                Settings.Log.General.ApplicationError(ConnectionId, TraceIdentifier, exception);
            }
        }

        ForceUnreadBodyDecision();
        Output.End(send: SendsAtEnd);
    }

    // With another request in the buffer the batch sends; on the loop the turn does (Output knows).
    private bool SendsAtEnd => Session.Input.Length == 0 || !_keepAlive;

    // Decides before the head is framed whether the connection can go on, because the head says it.
    private void ForceUnreadBodyDecision()
    {
        if (RequestBody.IsOverLimitUnread)
        {
            // The application did not care; the server does: nothing more is taken from this client.
            _keepAlive = false;
            Reject(Refusals.RequestBodyTooLarge(Head.Length, _maxRequestBodySize ?? 0));
            return;
        }

        if (RequestBody.TrySkipBuffered())
        {
            return;
        }

        // The client waits for a 100 that now never comes: it may send the content or not, and nothing could tell which (RFC 9110 section 10.1.1).
        if (RequestBody.HasFailed || Settings.BodyDrainTimeoutMs == 0 || (Head.ExpectsContinue && !RequestBody.IsReadStarted))
        {
            _keepAlive = false;
        }
    }

    /// <summary>Content is left that the next request stands behind.</summary>
    protected bool NeedsBodyDrain => _keepAlive && !IsAborted && !RequestBody.IsEnded && !RequestBody.HasFailed;

    /// <summary>Receives and drops the rest of the content so that the next request can be read, for a limited time.</summary>
    protected async Task DrainBodyAsync()
    {
        Settings.Log.General.RequestBodyNotEntirelyRead(ConnectionId, TraceIdentifier);
        Output.SendNow(); // the client may be waiting for the response before it sends the rest
        byte[] sink = System.Buffers.ArrayPool<byte>.Shared.Rent(BlockPool.BlockSize);
        using CancellationTokenSource timeout = new(TimeSpan.FromMilliseconds(Settings.BodyDrainTimeoutMs), Settings.TimeProvider);
        try
        {
            while (await RequestBody.DrainAsync(sink, timeout.Token).ConfigureAwait(false) > 0)
            {
                if (Session.IsDraining)
                {
                    _keepAlive = false;
                    break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            Settings.Log.General.RequestBodyDrainTimedOut(ConnectionId, TraceIdentifier);
            _keepAlive = false;
        }
        catch (IOException)
        {
            _keepAlive = false; // malformed, too large, too slow, or gone: reported where it was found
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(sink);
        }
    }

    // ---- Requests that never reach the application ---------------------------------------------------------------------

    /// <summary>The request is not for the application.</summary>
    public bool NeedsAnswerByServer => (Head.HasUnknownExpectation && Settings.RejectUnknownExpectations) || OwnMethods.Applies(this) || (Session.Connection.HasServerNames && IsMisdirected) || !TryDecodeHeaders(out _);

    /// <summary>Answers what is not the application's: true when the response is framed, or <paramref name="error"/> says why the request is refused. Loop thread.</summary>
    public bool TryAnswerItself(out ProtocolError error)
    {
        error = default;
        if (!NeedsAnswerByServer)
        {
            return false;
        }

        if (!TryDecodeHeaders(out int badOffset))
        {
            error = Refusals.FieldValueIsNoText(badOffset, Excerpt.Escape(HeadBytes(0, Head.Length), badOffset));
            return true;
        }

        if (Session.Connection.HasServerNames && IsMisdirected)
        {
            error = ProtocolError.Create(RejectionReason.MisdirectedRequest, Head.FieldsStart);
            return true;
        }

        if (Head.HasUnknownExpectation && Settings.RejectUnknownExpectations)
        {
            error = ProtocolError.Create(RejectionReason.ExpectationFailed, Head.FieldsStart);
            return true;
        }

        OwnMethods.Answer(this);
        return true;
    }

    private bool IsMisdirected
    {
        get
        {
            if (Head.Method == Aeronet.Http.Semantics.HttpMethod.Connect)
            {
                return false; // its authority is the tunnel's other end
            }

            ReadOnlySpan<byte> authority = default;
            if (Head.HostFromTarget)
            {
                authority = HeadBytes(Head.AuthorityStart, Head.AuthorityLength);
            }
            else if (Head.HostIndex >= 0)
            {
                ref readonly FieldLine line = ref Head.Fields[Head.HostIndex];
                authority = HeadBytes(line.ValueStart, line.ValueLength);
            }

            return !authority.IsEmpty && Session.Connection.IsMisdirected(HostSyntax.NameOf(authority)); // without a host there is nothing to compare
        }
    }

    /// <summary>Appends request line and field lines, without the fields named, as content of a TRACE response.</summary>
    public void CopyHeadTo(ResponseOutput output, ReadOnlySpan<KnownHeader> without)
    {
        output.Buffer(HeadBytes(Head.Start, Head.FieldsStart - Head.Start));
        foreach (ref readonly FieldLine line in Head.Fields)
        {
            if (!without.Contains(line.Name))
            {
                output.Buffer(HeadBytes(line.NameStart, line.NameLength));
                output.Buffer(": "u8);
                output.Buffer(HeadBytes(line.ValueStart, line.ValueLength));
                output.Buffer("\r\n"u8);
            }
        }

        output.Buffer("\r\n"u8);
    }

    // ---- Refusals ----------------------------------------------------------------------------------------------------

    /// <summary>The request will not reach the application: reports it and frames the answer. Loop thread.</summary>
    public void Refuse(in ProtocolError error)
    {
        _keepAlive = false;
        MinResponseDataRate = Settings.MinResponseDataRate; // the exchange may not have begun, and the refusal may have to wait for the socket
        Output.Begin();
        _requestLineRefused = error.Line == 1;
        Report(error, new AeronetBadHttpRequestException(error));
        _statusCode = error.Status;
        if (error.Reason == RejectionReason.Http2Preface)
        {
            Output.EndRaw(s_http11Required);
            return;
        }

        if (error.AllowedMethod is not null)
        {
            ResponseFields["Allow"] = error.AllowedMethod;
        }

        Output.End(send: false);
    }

    /// <summary>The content is not acceptable: reports it and makes the exception that the reader gets.</summary>
    public Exception Reject(in ProtocolError error)
    {
        var exception = new AeronetBadHttpRequestException(error);
        Report(error, exception);
        return exception;
    }

    private void Report(in ProtocolError error, AeronetBadHttpRequestException exception)
    {
        BadRequestError = exception;
        Settings.Log.BadRequests.ConnectionBadRequest(Session.Connection, error);
        Settings.Metrics.RequestRejected(error);
        BadRequestEvent.Write(Settings.DiagnosticSource, this);
    }
}
