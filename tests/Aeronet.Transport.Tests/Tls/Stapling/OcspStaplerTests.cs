using System;
using System.Collections.Generic;
using System.Formats.Asn1;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Stapling;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Stapling;

public sealed class OcspStaplerTests : IDisposable
{
    private static readonly TestCertificates s_authority = TestCertificates.Shared;
    private static readonly X509Certificate2 s_leaf = WithResponder("http://ocsp.test/status");
    private static readonly TlsCertificate s_certificate = new() { Leaf = s_leaf, Chain = [s_authority.Intermediate] };

    private readonly ManualClock _clock = new() { WallClockStep = DateTimeOffset.UtcNow - new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero) };
    private readonly LogCapture _log = new();
    private readonly Responder _responder;
    private readonly OcspStapler _stapler;

    public OcspStaplerTests()
    {
        _responder = new Responder(_clock);
        _stapler = new OcspStapler(new AeronetTlsStapling { Enabled = true }, _clock, _log.CreateLogger("x"), _responder);
    }

    public void Dispose()
    {
        _stapler.Dispose();
        _responder.Dispose();
    }

    [Fact]
    public async Task A_response_is_fetched_as_soon_as_the_certificate_is_served()
    {
        Assert.Null(_stapler.Find(s_leaf));
        await TrackAsync();
        Assert.Equal(_responder.LastResponse, _stapler.Find(s_leaf));
        Assert.Equal("http://ocsp.test/status", _responder.LastUri);
        Assert.Equal("application/ocsp-request", _responder.LastContentType);
        Assert.Equal(1, _stapler.FetchedCount);
        Assert.Equal((1, 0), _stapler.Counts());
        Assert.Null(_stapler.Find(s_authority.Server(TestKey.P256, "other")));
    }

    [Fact]
    public async Task The_request_names_the_certificate_and_its_issuer()
    {
        await TrackAsync();
        AsnReader id = new AsnReader(_responder.LastRequest, AsnEncodingRules.DER).ReadSequence().ReadSequence().ReadSequence().ReadSequence().ReadSequence();
        Assert.Equal("1.3.14.3.2.26", id.ReadSequence().ReadObjectIdentifier());
#pragma warning disable CA5350 // RFC 5019
        Assert.Equal(SHA1.HashData(s_authority.Intermediate.SubjectName.RawData), id.ReadOctetString());
        Assert.Equal(SHA1.HashData(s_authority.Intermediate.PublicKey.EncodedKeyValue.RawData), id.ReadOctetString());
#pragma warning restore CA5350
        Assert.Equal(s_leaf.SerialNumberBytes.ToArray(), id.ReadIntegerBytes().ToArray());
    }

    [Fact]
    public async Task It_is_renewed_at_half_of_its_time()
    {
        await TrackAsync();
        byte[] first = _stapler.Find(s_leaf)!;
        _clock.Advance(TimeSpan.FromHours(4) - TimeSpan.FromMinutes(1));
        Assert.Equal(1, _responder.Count);
        await AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(2, _responder.Count);
        Assert.NotEqual(first, _stapler.Find(s_leaf));
    }

    [Fact]
    [Trait("Defect", "TLS-27")]
    public async Task An_expired_response_is_never_given_out_while_its_responder_is_down()
    {
        await TrackAsync();
        _responder.Fails = true;
        await AdvanceAsync(TimeSpan.FromHours(8) - TimeSpan.FromSeconds(1));
        Assert.NotNull(_stapler.Find(s_leaf));
        await AdvanceAsync(TimeSpan.FromSeconds(1));
        Assert.Null(_stapler.Find(s_leaf));
        Assert.Equal((1, 1), _stapler.Counts());
    }

    [Fact]
    public async Task A_responder_that_fails_is_asked_again_ever_more_rarely_and_reported_once()
    {
        _responder.Fails = true;
        await TrackAsync();
        Assert.Equal(1, _responder.Count);
        await AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(2, _responder.Count);
        await AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(2, _responder.Count);
        await AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(3, _responder.Count);
        for (int i = 0; i < 20; i++)
        {
            await AdvanceAsync(TimeSpan.FromHours(1));
        }
        Assert.InRange(_responder.Count, 20, 27); // 1, 2, 4 ... 32 minutes, then once an hour
        Assert.Single(_log.Entries, static entry => entry.Id == 2140);
        Assert.Equal(_responder.Count, _stapler.FailedCount);

        _responder.Fails = false;
        await AdvanceAsync(TimeSpan.FromHours(1));
        Assert.NotNull(_stapler.Find(s_leaf));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task An_answer_that_is_not_good_is_not_given_out(int status)
    {
        _responder.CertificateStatus = status;
        await TrackAsync();
        Assert.Null(_stapler.Find(s_leaf));
        Assert.Equal(1, _stapler.FailedCount);
    }

    [Fact]
    public async Task A_certificate_that_is_revoked_meanwhile_loses_its_response_and_that_is_reported_behind_any_other_fault()
    {
        await TrackAsync();
        _responder.Fails = true;
        await AdvanceAsync(TimeSpan.FromHours(4));
        Assert.NotNull(_stapler.Find(s_leaf));
        _responder.Fails = false;
        _responder.CertificateStatus = 1;
        await AdvanceAsync(TimeSpan.FromMinutes(1));
        Assert.Null(_stapler.Find(s_leaf));
        Assert.Equal(2, System.Linq.Enumerable.Count(_log.Entries, static entry => entry.Id == 2140));
        Assert.Contains(_log.Entries, static entry => entry.Id == 2140 && entry.Message.Contains("REVOKED", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_response_file_does_not_replace_a_fresher_answer_of_the_responder()
    {
        string path = Path.GetTempFileName();
        try
        {
            byte[] older = new TestOcsp { Signer = s_authority.Intermediate, ThisUpdate = _clock.GetUtcNow().AddHours(-1), NextUpdate = _clock.GetUtcNow().AddHours(7) }.Respond(s_leaf, s_authority.Intermediate);
            File.WriteAllBytes(path, older);
            await TrackAsync();
            byte[] fetched = _stapler.Find(s_leaf)!;
            _stapler.Track([s_certificate], [path]);
            await _stapler.WhenIdleAsync();
            Assert.Equal(fetched, _stapler.Find(s_leaf));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task An_answer_that_is_too_long_is_dropped()
    {
        _responder.Bytes = new byte[65 * 1024];
        await TrackAsync();
        Assert.Null(_stapler.Find(s_leaf));
        Assert.Contains("longer than", Assert.Single(_log.Entries, static entry => entry.Id == 2140).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_responder_that_does_not_answer_is_given_up_after_its_time()
    {
        _responder.Hangs = true;
        _stapler.Track([s_certificate], []);
        await _responder.Asked;
        _clock.Advance(TimeSpan.FromSeconds(10));
        await _stapler.WhenIdleAsync();
        Assert.Contains("did not answer", Assert.Single(_log.Entries, static entry => entry.Id == 2140).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_is_served_on_keeps_its_response_and_one_that_is_not_loses_it()
    {
        await TrackAsync();
        await TrackAsync();
        Assert.Equal(1, _responder.Count);
        _stapler.Track([], []);
        Assert.Null(_stapler.Find(s_leaf));
        Assert.Equal(0, _clock.TimerCount);
    }

    [Fact]
    public void A_response_file_is_used_for_the_certificate_that_it_is_about()
    {
        string path = Path.GetTempFileName();
        try
        {
            using var fromFile = new OcspStapler(new AeronetTlsStapling(), _clock, _log.CreateLogger("x"), new Responder(_clock));
            byte[] response = new TestOcsp { Signer = s_authority.Intermediate, ThisUpdate = _clock.GetUtcNow(), NextUpdate = _clock.GetUtcNow().AddHours(1) }.Respond(s_leaf, s_authority.Intermediate);
            File.WriteAllBytes(path, response);
            fromFile.Track([s_certificate], [path]);
            Assert.Equal(response, fromFile.Find(s_leaf));
            _clock.Advance(TimeSpan.FromHours(1));
            Assert.Null(fromFile.Find(s_leaf));

            File.WriteAllBytes(path, [1, 2, 3]);
            fromFile.Track([s_certificate], [path]);
            Assert.Contains(path, Assert.Single(_log.Entries, static entry => entry.Id == 2143).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Certificates_that_cannot_be_stapled_are_reported()
    {
        _stapler.Track([new TlsCertificate { Leaf = s_leaf }, new TlsCertificate { Leaf = s_authority.Server(TestKey.P256, "none"), Chain = [s_authority.Intermediate] }], []);
        Assert.Equal(2, _log.Entries.Count);
        Assert.All(_log.Entries, static entry => Assert.Equal(2142, entry.Id));
        Assert.Equal(0, _responder.Count);
    }

    private async Task TrackAsync()
    {
        _stapler.Track([s_certificate], []);
        await _stapler.WhenIdleAsync();
    }

    // One timer, one fetch at a time: time moves in steps, and every fetch ends before the next step.
    private async Task AdvanceAsync(TimeSpan time)
    {
        for (TimeSpan left = time; left > TimeSpan.Zero;)
        {
            TimeSpan step = left < TimeSpan.FromMinutes(1) ? left : TimeSpan.FromMinutes(1);
            _clock.Advance(step);
            await _stapler.WhenIdleAsync();
            left -= step;
        }
    }

    private static X509Certificate2 WithResponder(string url)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=stapled.test", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([url], []));
        using ECDsa issuerKey = s_authority.Intermediate.GetECDsaPrivateKey()!;
        using X509Certificate2 bare = request.Create(s_authority.Intermediate.SubjectName, X509SignatureGenerator.CreateForECDsa(issuerKey), DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), [9, 9, 9]);
        return bare.CopyWithPrivateKey(key);
    }

    private sealed class Responder(ManualClock clock) : HttpMessageHandler
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Fails { get; set; }

        public bool Hangs { get; set; }

        public int CertificateStatus { get; set; }

        public byte[]? Bytes { get; set; }

        public int Count { get; private set; }

        public Task Asked => _asked.Task;

        public byte[] LastRequest { get; private set; } = [];

        public byte[]? LastResponse { get; private set; }

        public string? LastUri { get; private set; }

        public string? LastContentType { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Count++;
            LastUri = request.RequestUri!.AbsoluteUri;
            LastContentType = request.Content!.Headers.ContentType!.MediaType;
            LastRequest = await request.Content.ReadAsByteArrayAsync(cancellationToken);
            _asked.TrySetResult();
            if (Hangs)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
            if (Fails)
            {
                return new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
            }
            DateTimeOffset now = clock.GetUtcNow();
            LastResponse = Bytes ?? new TestOcsp { Signer = s_authority.Intermediate, ThisUpdate = now, NextUpdate = now.AddHours(8), CertificateStatus = CertificateStatus }.Respond(s_leaf, s_authority.Intermediate);
            return new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(LastResponse) };
        }
    }
}
