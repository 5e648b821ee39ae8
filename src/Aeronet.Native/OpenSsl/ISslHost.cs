using System;

namespace Aeronet.Native.OpenSsl;

/// <summary>The connection under a TLS session: where its records come from and go to. Called on the thread that is inside a call of <see cref="SslSession"/>.</summary>
internal interface ISslHost
{
    SslContext Context { get; }

    /// <summary>Bytes of the peer, without waiting.</summary>
    /// <returns>More than zero: bytes; zero: end of stream; <see cref="SslSession.WouldBlock"/> or <see cref="SslSession.ConnectionFailed"/>.</returns>
    int ReceiveRecords(Span<byte> into);

    /// <summary>Takes all of it, sends it now or later: records, or with <see cref="EncryptsSends"/> messages in cleartext.</summary>
    void SendRecords(ReadOnlySpan<byte> records);

    /// <summary>What is sent is encrypted below OpenSSL.</summary>
    bool EncryptsSends { get; }

    /// <summary>Offers the key for what is sent, with <see cref="SslContextOptions.OffersSendKey"/>. True: the host encrypts from now on; false: OpenSSL goes on.</summary>
    /// <param name="key">As the kernel wants it (<see cref="Libc.KernelTlsKey"/>). OpenSSL's memory, valid during the call.</param>
    bool TryEncryptSends(ReadOnlySpan<byte> key);

    /// <summary>Content type of what follows through <see cref="SendRecords"/>, with <see cref="EncryptsSends"/>.</summary>
    void SetContentType(byte contentType);
}

/// <summary>Keys of session tickets, copied out so that no key object crosses into native code. Never throws.</summary>
internal interface ISslTicketKeys
{
    /// <summary>Length of both keys, 16 or 32; 0: no ticket.</summary>
    int CopyCurrent(Span<byte> name, Span<byte> aesKey, Span<byte> hmacKey);

    /// <summary>Length of both keys, 16 or 32; 0: unknown.</summary>
    int CopyByName(ReadOnlySpan<byte> name, Span<byte> aesKey, Span<byte> hmacKey, out bool isCurrent);
}
