using System;

namespace Aeronet.Native.OpenSsl;

/// <summary>Numbers of OpenSSL's headers; a test compares them with the headers of the machine.</summary>
internal static class OpenSslConstants
{
    internal const nuint VersionMin = 0x30000000; // 3.0.0: the first with SSL_CTX_set_tlsext_ticket_key_evp_cb

    internal const int ErrorNone = 0; // SSL_ERROR_NONE
    internal const int ErrorSsl = 1;
    internal const int ErrorWantRead = 2;
    internal const int ErrorWantWrite = 3;
    internal const int ErrorSyscall = 5;
    internal const int ErrorZeroReturn = 6;

    internal const int CtrlMode = 33; // SSL_CTRL_MODE
    internal const int CtrlSetReadAhead = 41;
    internal const int CtrlSetSessionCacheSize = 42;
    internal const int CtrlSetSessionCacheMode = 44;
    internal const int CtrlSetStatusRequestCallback = 63;
    internal const int CtrlSetStatusResponse = 71;
    internal const int CtrlChainCertificate = 89;
    internal const int CtrlSetMinProtocol = 123;
    internal const int CtrlSetMaxProtocol = 124;

    internal const int ModeAcceptMovingWriteBuffer = 2;
    internal const int ModeReleaseBuffers = 16;

    internal const int SessionCacheOff = 0;
    internal const int SessionCacheServer = 2;

    internal const int VerifyNone = 0;
    internal const int VerifyPeer = 1;
    internal const int VerifyFailIfNoPeerCertificate = 2;

    internal const int KeyUpdateNone = -1; // SSL_KEY_UPDATE_NONE

    internal const int ExtensionOk = 0; // SSL_TLSEXT_ERR_OK
    internal const int ExtensionAlertFatal = 2;
    internal const int ExtensionNoAcknowledgement = 3;

    internal const ulong OptionEnableKernelTls = 1UL << 3; // SSL_OP_ENABLE_KTLS
    internal const ulong OptionNoTicket = 1UL << 14;
    internal const ulong OptionNoCompression = 1UL << 17;
    internal const ulong OptionPrioritizeChaCha = 1UL << 21;
    internal const ulong OptionCipherServerPreference = 1UL << 22;
    internal const ulong OptionNoTls1 = 1UL << 26;
    internal const ulong OptionNoTls12 = 1UL << 27;
    internal const ulong OptionNoTls11 = 1UL << 28;
    internal const ulong OptionNoTls13 = 1UL << 29;
    internal const ulong OptionNoRenegotiation = 1UL << 30;

    internal const int ControlFlush = 11; // BIO_CTRL_FLUSH
    internal const int ControlSetKernelTls = 72; // BIO_CTRL_SET_KTLS: no header has it, bio.h keeps the number free
    internal const int ControlGetKernelTlsSend = 73; // BIO_CTRL_GET_KTLS_SEND
    internal const int ControlSetRecordType = 74; // BIO_CTRL_SET_KTLS_TX_SEND_CTRL_MSG: as 72
    internal const int FlagRead = 1; // BIO_FLAGS_READ
    internal const int FlagWrite = 2;
    internal const int FlagShouldRetry = 8;
    internal const int TypeSourceSink = 0x400;

    internal const int Tls10 = 0x301;
    internal const int Tls11 = 0x302;
    internal const int Tls12 = 0x303;
    internal const int Tls13 = 0x304;

    internal const int ParameterUtf8 = 4; // OSSL_PARAM_UTF8_STRING
    internal const int ParameterOctets = 5;
}

/// <summary>Why libssl failed, as far as anybody above asks: <c>SSL_R_...</c>.</summary>
internal enum SslReason
{
    None = 0,
    HttpsProxyRequest = 155,
    HttpRequest = 156,
    NoProtocolsAvailable = 191,
    NoSharedCipher = 193,
    PeerDidNotReturnACertificate = 199,
    NoApplicationProtocol = 235,
    UnsupportedProtocol = 258,
    UnsupportedSslVersion = 259,
    VersionTooLow = 396,
    WrongVersionNumber = 267,
    VersionTooHigh = 166,
    NoSuitableSignatureAlgorithm = 118,
    InappropriateFallback = 373,

    /// <summary>1000 and the alert's number (RFC 8446 section 6): the peer sent it.</summary>
    FirstAlert = 1000,
    LastAlert = 1255,
}
