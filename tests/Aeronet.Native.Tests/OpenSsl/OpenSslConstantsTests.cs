using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Aeronet.Native.OpenSsl;
using Aeronet.Native.Tests.Libc;
using Xunit;

namespace Aeronet.Native.Tests.OpenSsl;

/// <summary>Our numbers against those of OpenSSL's headers, where they are installed.</summary>
public sealed class OpenSslConstantsTests
{
    [Fact]
    public void Every_number_equals_that_of_the_headers()
    {
        if (!System.IO.File.Exists("/usr/include/openssl/ssl.h"))
        {
            Console.Error.WriteLine("SKIPPED: the headers of OpenSSL are not installed, the constants were not compared.");
            Assert.False(string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase), "libssl-dev is not installed.");
            return;
        }

        Dictionary<string, long> ours = Ours();
        StringBuilder program = new("#include <stdio.h>\n#include <openssl/ssl.h>\n#include <openssl/bio.h>\n#include <openssl/params.h>\nint main(void) {\n");
        foreach (string name in ours.Keys)
        {
            program.AppendLine(CultureInfo.InvariantCulture, $"printf(\"%s=%lld\\n\", \"{name}\", (long long)({name}));");
        }

        program.AppendLine("return 0; }");
        if (!HeaderConstantsTests.TryCompileAndRun(program.ToString(), out string output))
        {
            return; // no C compiler here; said on standard output
        }

        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(ours.Count, lines.Length);
        foreach (string line in lines)
        {
            string[] parts = line.Split('=');
            Assert.Equal((parts[0], long.Parse(parts[1], CultureInfo.InvariantCulture)), (parts[0], ours[parts[0]]));
        }
    }

    private static unsafe Dictionary<string, long> Ours() => new()
    {
        ["SSL_ERROR_NONE"] = OpenSslConstants.ErrorNone,
        ["SSL_ERROR_SSL"] = OpenSslConstants.ErrorSsl,
        ["SSL_ERROR_WANT_READ"] = OpenSslConstants.ErrorWantRead,
        ["SSL_ERROR_WANT_WRITE"] = OpenSslConstants.ErrorWantWrite,
        ["SSL_ERROR_SYSCALL"] = OpenSslConstants.ErrorSyscall,
        ["SSL_ERROR_ZERO_RETURN"] = OpenSslConstants.ErrorZeroReturn,
        ["SSL_CTRL_MODE"] = OpenSslConstants.CtrlMode,
        ["SSL_CTRL_SET_READ_AHEAD"] = OpenSslConstants.CtrlSetReadAhead,
        ["SSL_CTRL_SET_SESS_CACHE_SIZE"] = OpenSslConstants.CtrlSetSessionCacheSize,
        ["SSL_CTRL_SET_SESS_CACHE_MODE"] = OpenSslConstants.CtrlSetSessionCacheMode,
        ["SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB"] = OpenSslConstants.CtrlSetStatusRequestCallback,
        ["SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP"] = OpenSslConstants.CtrlSetStatusResponse,
        ["SSL_CTRL_CHAIN_CERT"] = OpenSslConstants.CtrlChainCertificate,
        ["SSL_CTRL_SET_MIN_PROTO_VERSION"] = OpenSslConstants.CtrlSetMinProtocol,
        ["SSL_CTRL_SET_MAX_PROTO_VERSION"] = OpenSslConstants.CtrlSetMaxProtocol,
        ["SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER"] = OpenSslConstants.ModeAcceptMovingWriteBuffer,
        ["SSL_MODE_RELEASE_BUFFERS"] = OpenSslConstants.ModeReleaseBuffers,
        ["SSL_SESS_CACHE_OFF"] = OpenSslConstants.SessionCacheOff,
        ["SSL_SESS_CACHE_SERVER"] = OpenSslConstants.SessionCacheServer,
        ["SSL_VERIFY_NONE"] = OpenSslConstants.VerifyNone,
        ["SSL_VERIFY_PEER"] = OpenSslConstants.VerifyPeer,
        ["SSL_VERIFY_FAIL_IF_NO_PEER_CERT"] = OpenSslConstants.VerifyFailIfNoPeerCertificate,
        ["SSL_KEY_UPDATE_NONE"] = OpenSslConstants.KeyUpdateNone,
        ["SSL_TLSEXT_ERR_OK"] = OpenSslConstants.ExtensionOk,
        ["SSL_TLSEXT_ERR_ALERT_FATAL"] = OpenSslConstants.ExtensionAlertFatal,
        ["SSL_TLSEXT_ERR_NOACK"] = OpenSslConstants.ExtensionNoAcknowledgement,
        ["SSL_OP_NO_TICKET"] = (long)OpenSslConstants.OptionNoTicket,
        ["SSL_OP_NO_COMPRESSION"] = (long)OpenSslConstants.OptionNoCompression,
        ["SSL_OP_PRIORITIZE_CHACHA"] = (long)OpenSslConstants.OptionPrioritizeChaCha,
        ["SSL_OP_CIPHER_SERVER_PREFERENCE"] = (long)OpenSslConstants.OptionCipherServerPreference,
        ["SSL_OP_NO_TLSv1"] = (long)OpenSslConstants.OptionNoTls1,
        ["SSL_OP_NO_TLSv1_1"] = (long)OpenSslConstants.OptionNoTls11,
        ["SSL_OP_NO_TLSv1_2"] = (long)OpenSslConstants.OptionNoTls12,
        ["SSL_OP_NO_TLSv1_3"] = (long)OpenSslConstants.OptionNoTls13,
        ["SSL_OP_NO_RENEGOTIATION"] = (long)OpenSslConstants.OptionNoRenegotiation,
        ["BIO_CTRL_FLUSH"] = OpenSslConstants.ControlFlush,
        ["SSL_OP_ENABLE_KTLS"] = (long)OpenSslConstants.OptionEnableKernelTls,
        ["BIO_CTRL_GET_KTLS_SEND"] = OpenSslConstants.ControlGetKernelTlsSend,
        ["BIO_FLAGS_READ"] = OpenSslConstants.FlagRead,
        ["BIO_FLAGS_WRITE"] = OpenSslConstants.FlagWrite,
        ["BIO_FLAGS_SHOULD_RETRY"] = OpenSslConstants.FlagShouldRetry,
        ["BIO_TYPE_SOURCE_SINK"] = OpenSslConstants.TypeSourceSink,
        ["TLS1_VERSION"] = OpenSslConstants.Tls10,
        ["TLS1_1_VERSION"] = OpenSslConstants.Tls11,
        ["TLS1_2_VERSION"] = OpenSslConstants.Tls12,
        ["TLS1_3_VERSION"] = OpenSslConstants.Tls13,
        ["OSSL_PARAM_UTF8_STRING"] = OpenSslConstants.ParameterUtf8,
        ["OSSL_PARAM_OCTET_STRING"] = OpenSslConstants.ParameterOctets,
        ["sizeof(OSSL_PARAM)"] = sizeof(LibCrypto.OsslParam),
        ["SSL_R_HTTPS_PROXY_REQUEST"] = (int)SslReason.HttpsProxyRequest,
        ["SSL_R_HTTP_REQUEST"] = (int)SslReason.HttpRequest,
        ["SSL_R_NO_PROTOCOLS_AVAILABLE"] = (int)SslReason.NoProtocolsAvailable,
        ["SSL_R_NO_SHARED_CIPHER"] = (int)SslReason.NoSharedCipher,
        ["SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE"] = (int)SslReason.PeerDidNotReturnACertificate,
        ["SSL_R_NO_APPLICATION_PROTOCOL"] = (int)SslReason.NoApplicationProtocol,
        ["SSL_R_UNSUPPORTED_PROTOCOL"] = (int)SslReason.UnsupportedProtocol,
        ["SSL_R_UNSUPPORTED_SSL_VERSION"] = (int)SslReason.UnsupportedSslVersion,
        ["SSL_R_VERSION_TOO_LOW"] = (int)SslReason.VersionTooLow,
        ["SSL_R_VERSION_TOO_HIGH"] = (int)SslReason.VersionTooHigh,
        ["SSL_R_WRONG_VERSION_NUMBER"] = (int)SslReason.WrongVersionNumber,
        ["SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM"] = (int)SslReason.NoSuitableSignatureAlgorithm,
        ["SSL_R_INAPPROPRIATE_FALLBACK"] = (int)SslReason.InappropriateFallback,
        ["SSL_AD_REASON_OFFSET"] = (int)SslReason.FirstAlert,
    };
}
