using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Tls.Certificates;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls.Stapling;

/// <summary>OCSP responses for the server's certificates: from files, or fetched from their issuers ahead of time, one timer per certificate. Handshakes take what is there.</summary>
internal sealed class OcspStapler : IOcspStapleSource, IDisposable
{
    private const int ResponseBytesMax = 64 * 1024;

    private static readonly TimeSpan s_retryMin = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_retryMax = TimeSpan.FromHours(1);

    private readonly bool _fetches;
    private readonly TimeSpan _refreshInterval;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly HttpClient _http;
    private readonly Lock _gate = new();

    private volatile Dictionary<X509Certificate2, Entry> _entries = []; // replaced as a whole, under _gate
    private bool _disposed; // under _gate
    private long _fetched;  // Interlocked, as the next
    private long _failed;

    /// <param name="options">Read once.</param>
    /// <param name="time">Clock and timers.</param>
    /// <param name="logger">Hears of responders that fail, once until they answer again.</param>
    /// <param name="handler">Speaks HTTP; owned from now on.</param>
    public OcspStapler(AeronetTlsStapling options, TimeProvider time, ILogger logger, HttpMessageHandler handler)
    {
        _fetches = options.Enabled;
        _refreshInterval = options.RefreshInterval;
        _timeout = options.ResponderTimeout;
        _time = time;
        _logger = logger;
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Responses that have come and were good.</summary>
    public long FetchedCount => Interlocked.Read(ref _fetched);

    /// <summary>Attempts that brought none.</summary>
    public long FailedCount => Interlocked.Read(ref _failed);

    /// <summary>Certificates that should have a response, and those that have none now.</summary>
    public (int Certificates, int WithoutStaple) Counts()
    {
        DateTimeOffset now = _time.GetUtcNow();
        int without = 0;
        Dictionary<X509Certificate2, Entry> entries = _entries;
        foreach (Entry entry in entries.Values)
        {
            without += entry.Staple(now) is null ? 1 : 0;
        }
        return (entries.Count, without);
    }

    public byte[]? Find(X509Certificate2 certificate)
        => _entries.TryGetValue(certificate, out Entry? entry) ? entry.Staple(_time.GetUtcNow()) : null;

    /// <summary>The certificates served from now on, and the response files. Certificates known before keep their response and timer.</summary>
    /// <param name="certificates">With their chains, in which the issuer has to be.</param>
    /// <param name="responseFiles">Each is used for the certificate that it is about.</param>
    public void Track(IEnumerable<TlsCertificate> certificates, IEnumerable<string> responseFiles)
    {
        var started = new List<Entry>();
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            Dictionary<X509Certificate2, Entry> before = _entries;
            var entries = new Dictionary<X509Certificate2, Entry>();
            foreach (TlsCertificate certificate in certificates)
            {
                if (entries.ContainsKey(certificate.Leaf))
                {
                    continue;
                }
                if (before.TryGetValue(certificate.Leaf, out Entry? known))
                {
                    entries.Add(certificate.Leaf, known);
                }
                else if (Create(certificate) is { } entry)
                {
                    entries.Add(certificate.Leaf, entry);
                    started.Add(entry);
                }
            }
            _entries = entries;
            foreach ((X509Certificate2 leaf, Entry entry) in before)
            {
                if (!entries.ContainsKey(leaf))
                {
                    entry.Dispose();
                }
            }
            foreach (string file in responseFiles)
            {
                TakeFile(file);
            }
        }
        foreach (Entry entry in started)
        {
            if (entry.Responder is not null)
            {
                entry.Start();
            }
        }
    }

    /// <summary>Completes when no fetch is under way: for tests.</summary>
    internal async Task WhenIdleAsync()
    {
        foreach (Entry entry in _entries.Values)
        {
            await entry.Running.ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (Entry entry in _entries.Values)
            {
                entry.Dispose();
            }
            _entries = [];
        }
        _http.Dispose();
    }

    private Entry? Create(TlsCertificate certificate)
    {
        X509Certificate2 leaf = certificate.Leaf;
        X509Certificate2? issuer = null;
        foreach (X509Certificate2 candidate in certificate.Chain)
        {
            if (candidate.SubjectName.RawData.AsSpan().SequenceEqual(leaf.IssuerName.RawData))
            {
                issuer = candidate;
                break;
            }
        }
        Uri? responder = _fetches ? ResponderOf(leaf) : null;
        if (issuer is null)
        {
            // Self-signed certificates, and the development certificate, have nobody to ask.
            if (responder is not null)
            {
                TlsServiceLog.StapleImpossible(_logger, leaf.Subject, "the certificate of its issuer is not in its chain.");
            }
            return null;
        }
        if (_fetches && responder is null)
        {
            TlsServiceLog.StapleImpossible(_logger, leaf.Subject, "it names no OCSP responder that can be reached by http.");
        }
        return new Entry(this, leaf, issuer, responder);
    }

    private static Uri? ResponderOf(X509Certificate2 certificate)
    {
        foreach (X509Extension extension in certificate.Extensions)
        {
            if (extension is X509AuthorityInformationAccessExtension access)
            {
                foreach (string text in access.EnumerateOcspUris())
                {
                    if (Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps))
                    {
                        return uri;
                    }
                }
            }
        }
        return null;
    }

    private void TakeFile(string file)
    {
        Debug.Assert(_gate.IsHeldByCurrentThread);
        byte[] der;
        try
        {
            der = PemFile.ReadAllBytes(file);
        }
        catch (TlsConfigurationException failure)
        {
            TlsServiceLog.StapleFileUnused(_logger, file, failure.Message);
            return;
        }
        string? fault = "no certificate of the server that has its issuer in its chain is there.";
        foreach (Entry entry in _entries.Values)
        {
            if (OcspResponse.Read(der, entry.Certificate, entry.Issuer, _time.GetUtcNow(), out fault) is { } response)
            {
                entry.TakeIfNewer(response);
                return;
            }
        }
        TlsServiceLog.StapleFileUnused(_logger, file, fault ?? "");
    }

    private async Task<(OcspResponse? Response, string? Fault)> FetchAsync(Entry entry)
    {
        Debug.Assert(entry.Responder is not null);
        try
        {
            using var patience = new CancellationTokenSource(_timeout, _time);
            using var content = new ByteArrayContent(OcspRequest.Create(entry.Certificate, entry.Issuer));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/ocsp-request");
            using var request = new HttpRequestMessage(HttpMethod.Post, entry.Responder) { Content = content };
            using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode)
            {
                return (null, $"the responder answered {(int)answer.StatusCode}.");
            }
            byte[]? der = await ReadAsync(answer.Content, patience.Token).ConfigureAwait(false);
            if (der is null)
            {
                return (null, $"the response is longer than {ResponseBytesMax} bytes.");
            }
            OcspResponse? response = OcspResponse.Read(der, entry.Certificate, entry.Issuer, _time.GetUtcNow(), out string? fault);
            return (response, fault);
        }
        catch (OperationCanceledException)
        {
            return (null, $"the responder did not answer within {_timeout}.");
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or InvalidOperationException)
        {
            return (null, failure.Message);
        }
    }

    private static async Task<byte[]?> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        Stream body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            byte[] buffer = new byte[ResponseBytesMax + 1];
            int length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return length <= ResponseBytesMax ? buffer[..length] : null;
        }
    }

    /// <summary>One certificate: its response, and when it is asked for again.</summary>
    private sealed class Entry : IDisposable
    {
        private readonly OcspStapler _owner;
        private readonly ITimer _timer;
        private volatile StapleNow? _staple;
        private int _failures; // one fetch at a time: no lock
        private string? _lastFault; // as _failures
        private volatile bool _disposed;

        public Entry(OcspStapler owner, X509Certificate2 certificate, X509Certificate2 issuer, Uri? responder)
        {
            _owner = owner;
            Certificate = certificate;
            Issuer = issuer;
            Responder = responder;
            _timer = owner._time.CreateTimer(static entry => ((Entry)entry!).Start(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public X509Certificate2 Certificate { get; }

        public X509Certificate2 Issuer { get; }

        /// <summary>Null: the response comes from a file, or not at all.</summary>
        public Uri? Responder { get; }

        public Task Running { get; private set; } = Task.CompletedTask;

        public byte[]? Staple(DateTimeOffset now)
        {
            StapleNow? staple = _staple;
            return staple is not null && now < staple.UsableUntil ? staple.Der : null;
        }

        /// <summary>A file that is read again must not replace a fresher answer of the responder.</summary>
        public void TakeIfNewer(OcspResponse response)
        {
            if (_staple is not { } staple || response.ThisUpdate >= staple.ThisUpdate)
            {
                Take(response);
            }
        }

        /// <returns>How long the response can be used.</returns>
        public TimeSpan Take(OcspResponse response)
        {
            DateTimeOffset now = _owner._time.GetUtcNow();
            DateTimeOffset until = response.NextUpdate ?? now + _owner._refreshInterval;
            _staple = new StapleNow(response.Der, response.ThisUpdate, until);
            TlsServiceLog.StapleReady(_owner._logger, Certificate.Subject, response.NextUpdate);
            return until - now;
        }

        public void Start()
        {
            if (!_disposed)
            {
                Running = RefreshAsync();
            }
        }

        public void Dispose()
        {
            _disposed = true;
            _timer.Dispose();
        }

        private async Task RefreshAsync()
        {
            (OcspResponse? response, string? fault) = await _owner.FetchAsync(this).ConfigureAwait(false);
            if (_disposed)
            {
                return;
            }
            TimeSpan delay;
            if (response is not null)
            {
                Interlocked.Increment(ref _owner._fetched);
                _failures = 0;
                _lastFault = null;
                delay = Clamp(Take(response) / 2, s_retryMin, _owner._refreshInterval);
            }
            else
            {
                Interlocked.Increment(ref _owner._failed);
                if (fault == OcspResponse.RevokedFault)
                {
                    _staple = null; // "good" is not said any more of what the authority calls revoked
                }

                delay = Clamp(s_retryMin * Math.Pow(2, Math.Min(_failures, 10)), s_retryMin, s_retryMax);
                _failures++;
                if (fault != _lastFault) // the first of a row, and when it becomes another one: "revoked" must not hide behind "timed out"
                {
                    _lastFault = fault;
                    TlsServiceLog.StapleNotFetched(_owner._logger, Certificate.Subject, Responder!.AbsoluteUri, fault!, delay);
                }
            }
            _timer.Change(delay, Timeout.InfiniteTimeSpan);
        }

        private sealed record StapleNow(byte[] Der, DateTimeOffset ThisUpdate, DateTimeOffset UsableUntil);

        private static TimeSpan Clamp(TimeSpan value, TimeSpan min, TimeSpan max) => value < min ? min : value > max ? max : value;
    }
}
