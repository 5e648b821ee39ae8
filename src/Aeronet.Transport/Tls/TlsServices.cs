using System;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tls;

/// <summary>What the handshakes of an endpoint use and report to. Shared between endpoints and kept across reloads as far as its maker likes.</summary>
internal sealed class TlsServices
{
    public static TlsServices None { get; } = new();

    /// <summary>Null: keys that OpenSSL makes for each context, lost with it.</summary>
    public ITicketKeySource? TicketKeys { get; init; }

    public IOcspStapleSource? Staples { get; init; }

    /// <summary>Null: no key log.</summary>
    public ITlsKeyLog? KeyLog { get; init; }

    public ITlsAdmission? Admission { get; init; }

    public ITlsObserver? Observer { get; init; }

    /// <summary>Keep the bytes of the ClientHello for the selector: one allocation per handshake, only with a selector.</summary>
    public bool CapturesClientHello { get; init; }
}

/// <summary>Keys of session tickets. Any thread, no lock, never throws: it is called in the middle of a handshake.</summary>
internal interface ITicketKeySource
{
    /// <summary>Copies the key that encrypts new tickets: 16 bytes of name, then AES-CBC and HMAC-SHA256 keys of 16 or 32 bytes each.</summary>
    /// <returns>Length of both keys, 16 or 32; 0: no ticket is issued.</returns>
    int CopyCurrent(Span<byte> name, Span<byte> aesKey, Span<byte> hmacKey);

    /// <summary>Copies the key of that name; not <c>isCurrent</c>: the session resumes and gets a new ticket.</summary>
    /// <returns>Length of both keys, 16 or 32; 0: unknown, wiped or too old, a full handshake follows.</returns>
    int CopyByName(ReadOnlySpan<byte> name, Span<byte> aesKey, Span<byte> hmacKey, out bool isCurrent);

    /// <summary>How long a session may be resumed; whole seconds.</summary>
    TimeSpan TicketLifetime { get; }
}

/// <summary>OCSP responses that are ready now. Any thread, never blocks, never throws.</summary>
internal interface IOcspStapleSource
{
    /// <summary>The DER of a response for the certificate that is still valid; null: none, the handshake goes on without.</summary>
    byte[]? Find(X509Certificate2 certificate);
}

/// <summary>NSS key log. Any thread, never throws.</summary>
internal interface ITlsKeyLog
{
    /// <summary>One line without its end.</summary>
    void Write(ReadOnlySpan<byte> line);
}

/// <summary>Why a connection was closed before its handshake began.</summary>
internal enum TlsRefusal
{
    None,
    Concurrency,
    ServerRate,
    PeerRate,
}

/// <summary>Limits on handshakes. Any thread (loops call it right after accept), no lock held long, never throws.</summary>
internal interface ITlsAdmission
{
    /// <summary><see cref="TlsRefusal.None"/> admits, and <see cref="Exit"/> follows once the handshake has ended, however it did.</summary>
    TlsRefusal TryEnter(in PeerAddress peer, long nowMs);

    void Exit();
}
