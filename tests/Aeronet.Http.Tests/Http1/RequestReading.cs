using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Http1;

/// <summary>What a parse ended with, comparable: the error without its excerpt (which may show bytes that came later), the head as text.</summary>
internal sealed record ParseOutcome(ParseStatus Status, int HttpStatus, RejectionReason Reason, long Offset, int Line, int FieldIndex, bool HasStarted, string Head);

/// <summary>Feeds request heads to the parser, whole or cut.</summary>
internal static class RequestReading
{
    public static byte[] Bytes(string latin1) => Encoding.Latin1.GetBytes(latin1);

    public static RequestHead Accept(string request, Http1Limits? limits = null)
    {
        RequestParser parser = default;
        RequestHead head = new();
        byte[] bytes = Bytes(request);
        ParseStatus status = parser.Parse(bytes, limits ?? Http1Limits.Default, head, out ProtocolError error);
        Assert.True(status == ParseStatus.Done, $"{status} {error} for {request}");
        return head;
    }

    public static ProtocolError Refuse(string request, Http1Limits? limits = null)
    {
        RequestParser parser = default;
        ParseStatus status = parser.Parse(Bytes(request), limits ?? Http1Limits.Default, new RequestHead(), out ProtocolError error);
        Assert.True(status == ParseStatus.Failed, $"{status} for {request}");
        return error;
    }

    /// <summary>Refused at the given byte: the offset of <paramref name="marked"/>'s ¤ sign, which is not sent.</summary>
    public static void RefuseAt(string marked, RejectionReason reason, int httpStatus = 400, Http1Limits? limits = null)
    {
        int at = marked.IndexOf('¤', StringComparison.Ordinal);
        Assert.True(at >= 0, "no mark");
        ProtocolError error = Refuse(marked.Remove(at, 1), limits);
        Assert.Equal((reason, httpStatus, (long)at), (error.Reason, error.Status, error.Offset));
    }

    public static ParseOutcome Whole(byte[] bytes, Http1Limits? limits = null) => InPieces(bytes, [bytes.Length], limits);

    /// <summary>Parses prefixes that end at the given cuts, each in fresh memory.</summary>
    public static ParseOutcome InPieces(byte[] bytes, IReadOnlyList<int> cuts, Http1Limits? limits = null)
    {
        RequestParser parser = default;
        RequestHead head = new();
        ParseStatus status = ParseStatus.NeedMore;
        ProtocolError error = default;
        foreach (int cut in cuts)
        {
            byte[] soFar = bytes.AsSpan(0, cut).ToArray();
            status = parser.Parse(soFar, limits ?? Http1Limits.Default, head, out error);
            Assert.InRange(parser.Examined, 0, cut);
            if (status == ParseStatus.NeedMore)
            {
                // Only a CR that waits for its LF, or the first byte of a TLS record, may be looked at again.
                Assert.True(parser.Examined >= cut - 1, $"examined {parser.Examined} of {cut}");
                continue;
            }

            if (status == ParseStatus.Failed)
            {
                Assert.InRange(error.Offset, 0, cut);
                Assert.False(error.IsNone);
                Assert.Equal(0, error.Excerpt.AsSpan().Count('\r') + error.Excerpt.AsSpan().Count('\n'));
            }
            else
            {
                Assert.True(error.IsNone);
                Assert.InRange(head.Length, 1, cut);
            }

            break;
        }

        string description = status == ParseStatus.Done ? Describe(head) : "";
        return new ParseOutcome(status, error.Status, error.Reason, error.Offset, error.Line, error.FieldIndex, parser.HasStarted, description);
    }

    public static string Text(string request, int start, int length) => request.Substring(start, length);

    public static string Describe(RequestHead head)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{head.Method} {head.MethodLength} {head.TargetStart}+{head.TargetLength} {head.TargetForm} ");
        text.Append(CultureInfo.InvariantCulture, $"{head.PathStart}+{head.PathLength} {head.QueryStart}+{head.QueryLength} {head.AuthorityStart}+{head.AuthorityLength} ");
        text.Append(CultureInfo.InvariantCulture, $"{head.PathNeedsDecoding} {head.Version} {head.HostIndex} {head.HostFromTarget} {head.Body} {head.ContentLength} ");
        text.Append(CultureInfo.InvariantCulture, $"{head.KeepAlive} {head.ConnectionUpgrade} {head.HasUpgradeField} {head.ExpectsContinue} {head.HasUnknownExpectation} ");
        text.Append(CultureInfo.InvariantCulture, $"{head.AcceptsTrailers} {head.Start} {head.FieldsStart} {head.FieldsLength} {head.Length}");
        foreach (FieldLine line in head.Fields)
        {
            text.Append(CultureInfo.InvariantCulture, $" | {line}");
        }

        return text.ToString();
    }
}
