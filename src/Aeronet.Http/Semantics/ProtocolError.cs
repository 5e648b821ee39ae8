namespace Aeronet.Http.Semantics;

/// <summary>A refusal as a value: what, where, by which rule.</summary>
/// <param name="Status">Response status, e.g. 400, 414, 431, 501, 505.</param>
/// <param name="Reason">The rule that was broken.</param>
/// <param name="Offset">
/// Byte offset of the offending byte from the start of the request, body framing included. Empty lines that were skipped before
/// the request line count: offset 0 is the first byte after the previous request, which is what a packet capture shows.
/// </param>
/// <param name="RfcSection">e.g. "RFC 9112 section 3".</param>
/// <param name="Message">Text for people, Kestrel's wording where Kestrel has the case; without peer bytes.</param>
/// <param name="Excerpt">Up to 64 bytes around the offending byte, escaped to printable ASCII; empty when there is nothing to show.</param>
internal readonly record struct ProtocolError(int Status, RejectionReason Reason, long Offset, string RfcSection, string Message, string Excerpt)
{
    public bool IsNone => Reason == RejectionReason.None;

    /// <summary>1 = request line, 2 = first field line; 0 when the fault is not in the head (skipped empty lines are not counted).</summary>
    public int Line { get; init; }

    /// <summary>Index of the field line, from 0, in the section it stands in; -1 when the fault is not in a field line.</summary>
    public int FieldIndex { get; init; } = -1;

    /// <summary>For 405: what the Allow field must say; otherwise null.</summary>
    public string? AllowedMethod => Reason switch
    {
        RejectionReason.OptionsMethodRequired => "OPTIONS",
        RejectionReason.ConnectMethodRequired => "CONNECT",
        _ => null,
    };

    /// <summary>An error with the status, section and text that <see cref="Rejections"/> gives for the reason.</summary>
    public static ProtocolError Create(RejectionReason reason, long offset, string excerpt = "")
    {
        Rejection rule = Rejections.Describe(reason);
        return new ProtocolError(rule.Status, reason, offset, rule.RfcSection, rule.Message, excerpt);
    }
}
