using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Threading;
using Aeronet.Http.Semantics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>What the header and trailer dictionaries of an exchange share: a slot per known name, an ordered list for the others, and the contract of <see cref="IHeaderDictionary"/> as Kestrel keeps it.</summary>
/// <remarks>
/// A slot's content counts only while its bit is in <c>_present</c>; every read goes through that bit, so clearing two words hides
/// all values of the previous exchange. Known names enumerate first, in the order of <see cref="KnownHeader"/>, then the others in
/// the order they were added. Several threads may read at once, although a first read makes the value: applications do that on
/// Kestrel (parallel calls that each look a correlation id up). Changes are for one thread alone.
/// The file is long because the contract of a dictionary is wide; what it decides is little: slot or list, and made or pending.
/// </remarks>
internal abstract partial class HeaderFields : IHeaderDictionary
{
    private const int SlotCount = (int)KnownHeader.XXSSProtection + 1;

    // One per name in KnownHeader, indexed by it; made when the first known name is stored.
    private StringValues[]? _slots;

    private HeaderSet _present;

    // Subset of _present: the slot's content is not made yet, MakeValue does it.
    private HeaderSet _pending;

    // Slots outside _present that may hold a string of the exchange before; only that one's, so that the total stays within one section's limit.
    private HeaderSet _kept;

    // Fields without a slot. Complete only while _othersLoaded.
    private HeaderList _others;

    // False only between attaching to a received field section and the first touch.
    private bool _knownLoaded = true;
    private bool _othersLoaded = true;

    // Valid while _present has ContentLength; the slot is then its text, pending until somebody asks.
    private long _contentLength;

    private bool _isReadOnly;

    private readonly object _loadingOthers = new();

    /// <summary>Refuses changes by the application from now on until the exchange ends.</summary>
    public void SetReadOnly() => _isReadOnly = true;

    public bool IsReadOnly => _isReadOnly;

    public int Count
    {
        get
        {
            LoadAll();
            return _present.Count + _others.Count;
        }
    }

    public long? ContentLength
    {
        get => IsPresent(KnownHeader.ContentLength) ? _contentLength : null;
        set
        {
            BeginChange();
            if (value is not long length)
            {
                RemoveKnown(KnownHeader.ContentLength);
                return;
            }

            if (length < 0)
            {
                HeaderErrors.ThrowContentLengthOutOfRange(length);
            }

            CheckName(KnownHeader.ContentLength);
            StoreContentLength(length);
        }
    }

    public bool IsPresent(KnownHeader header)
    {
        if (!Volatile.Read(ref _knownLoaded))
        {
            LoadKnown();
        }

        return _present.Contains(header);
    }

    /// <summary>The values of a known name, empty when it is absent.</summary>
    public StringValues Get(KnownHeader header)
    {
        if (!IsPresent(header))
        {
            return StringValues.Empty;
        }

        if (_pending.ContainsShared(header))
        {
            MakePending(header);
        }

        return _slots![(int)header];
    }

    /// <summary>What the application's setters do: checked, and an empty value removes.</summary>
    public void Set(KnownHeader header, StringValues value)
    {
        BeginChange();
        if (value.Count == 0)
        {
            RemoveKnown(header);
            return;
        }

        Validate(header, KnownHeaders.Name(header), value);
        StoreChecked(header, value);
    }

    /// <summary>Removes a field on behalf of the engine, also after the application lost the right to.</summary>
    public void Discard(KnownHeader header)
    {
        if (!Volatile.Read(ref _knownLoaded))
        {
            LoadKnown();
        }

        RemoveKnown(header);
    }

    public bool TryGetValue(string key, out StringValues value)
    {
        KnownHeader header = KnownHeaders.Lookup(key ?? string.Empty);
        if (header != KnownHeader.Unknown)
        {
            value = Get(header);
            return value.Count != 0;
        }

        if (!Volatile.Read(ref _othersLoaded))
        {
            LoadOthers();
        }

        int index = _others.Find(key ?? string.Empty);
        if (index < 0)
        {
            value = StringValues.Empty;
            return false;
        }

        value = _others[index].Value;
        return true;
    }

    public StringValues this[string key]
    {
        get => TryGetValue(key, out StringValues value) ? value : StringValues.Empty;
        set
        {
            if (_isReadOnly)
            {
                HeaderErrors.ThrowReadOnly();
            }

            if (string.IsNullOrEmpty(key))
            {
                HeaderErrors.ThrowEmptyName();
            }

            KnownHeader header = KnownHeaders.Lookup(key);
            if (header != KnownHeader.Unknown)
            {
                Set(header, value);
                return;
            }

            LoadAll();
            int index = _others.Find(key);
            if (value.Count == 0)
            {
                if (index >= 0)
                {
                    _others.RemoveAt(index);
                }

                return;
            }

            Validate(KnownHeader.Unknown, key, value);
            if (index >= 0)
            {
                _others.SetValue(index, value);
            }
            else
            {
                _others.Add(key, value);
            }
        }
    }

    // The only difference to the other indexer is the answer for a missing key.
    StringValues IDictionary<string, StringValues>.this[string key]
    {
        get
        {
            if (!TryGetValue(key, out StringValues value))
            {
                HeaderErrors.ThrowKeyNotFound();
            }

            return value;
        }
        set => this[key] = value;
    }

    public bool ContainsKey(string key) => TryGetValue(key, out _);

    public void Add(string key, StringValues value)
    {
        if (_isReadOnly)
        {
            HeaderErrors.ThrowReadOnly();
        }

        if (string.IsNullOrEmpty(key))
        {
            HeaderErrors.ThrowEmptyName();
        }

        if (value.Count == 0)
        {
            return;
        }

        KnownHeader header = KnownHeaders.Lookup(key);
        Validate(header, key, value);
        if (ContainsKey(key))
        {
            HeaderErrors.ThrowDuplicateKey(key);
        }

        if (header != KnownHeader.Unknown)
        {
            StoreChecked(header, value);
        }
        else
        {
            _others.Add(key, value);
        }
    }

    public void Add(KeyValuePair<string, StringValues> item) => Add(item.Key, item.Value);

    public bool Remove(string key)
    {
        if (_isReadOnly)
        {
            HeaderErrors.ThrowReadOnly();
        }

        KnownHeader header = KnownHeaders.Lookup(key ?? string.Empty);
        if (header != KnownHeader.Unknown)
        {
            bool wasPresent = IsPresent(header);
            RemoveKnown(header);
            return wasPresent;
        }

        LoadAll();
        int index = _others.Find(key ?? string.Empty);
        if (index < 0)
        {
            return false;
        }

        _others.RemoveAt(index);
        return true;
    }

    public bool Remove(KeyValuePair<string, StringValues> item) => Contains(item) && Remove(item.Key);

    public bool Contains(KeyValuePair<string, StringValues> item)
        => TryGetValue(item.Key, out StringValues value) && value.Equals(item.Value);

    public void Clear()
    {
        if (_isReadOnly)
        {
            HeaderErrors.ThrowReadOnly();
        }

        Forget(keepStrings: false);
    }

    /// <summary>Throws what the application is to see when it sets this field; <paramref name="header"/> is Unknown for a name without a slot.</summary>
    protected virtual void Validate(KnownHeader header, string name, StringValues value)
    {
    }

    /// <summary>The part of <see cref="Validate"/> that does not need the value: a length set as a number has no text.</summary>
    protected virtual void CheckName(KnownHeader header)
    {
    }

    [DoesNotReturn]
    protected virtual void RefuseContentLength(string value) => HeaderErrors.ThrowInvalidContentLength(value);

    /// <summary>The known names of the received section. Content-Length's value comes along because it is kept as a number.</summary>
    protected virtual HeaderSet FindKnown(out long contentLength)
        => throw new UnreachableException(); // only who called BeginReceived is asked

    /// <summary>Appends every other field of the received section to <paramref name="others"/>.</summary>
    protected virtual void AppendOthers(ref HeaderList others)
        => throw new UnreachableException();

    /// <summary>The values of a name that <see cref="FindKnown"/> found. <paramref name="previous"/> is the slot's content of an earlier exchange, for its strings.</summary>
    protected virtual StringValues MakeValue(KnownHeader header, StringValues previous)
        => throw new UnreachableException();

    /// <summary>Makes the received section the content; nothing of it is read until the first touch.</summary>
    protected void BeginReceived()
    {
        Debug.Assert(_present.IsEmpty);
        Debug.Assert(_others.Count == 0);
        _knownLoaded = false;
        _othersLoaded = false;
    }

    /// <summary>Appends a received line whose bytes do not stay.</summary>
    protected void AddReceived(KnownHeader header, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, Func<string, Encoding?>? encodingSelector)
    {
        Debug.Assert(_knownLoaded);
        Debug.Assert(_othersLoaded);
        if (header == KnownHeader.Unknown)
        {
            _others.AddReceived(name, value, encodingSelector);
            return;
        }

        Debug.Assert(header != KnownHeader.ContentLength); // a number here, and forbidden in trailers
        string text = HeaderStrings.Decode(value, null, KnownHeaders.Name(header), encodingSelector);
        StoreKnown(header, _present.Contains(header) ? StringValues.Concat(Get(header), text) : text);
    }

    private void StoreContentLength(long length)
    {
        Debug.Assert(length >= 0);
        _contentLength = length;
        _present.Add(KnownHeader.ContentLength);
        _pending.Add(KnownHeader.ContentLength);
    }

    /// <summary>Empties the dictionary for the next exchange. Kept strings are invisible and serve only to be compared with what comes next.</summary>
    protected void Forget(bool keepStrings)
    {
        ForgetSlots(keepStrings);
        _present = default;
        _pending = default;
        _others.Clear(keepStrings);
        _knownLoaded = true;
        _othersLoaded = true;
        Debug.Assert(_present.IsEmpty);
        Debug.Assert(_others.Count == 0);
    }

    protected void AllowChanges() => _isReadOnly = false;

    // For the writer of a response: the fields as they lie, without a KeyValuePair per field.
    internal ref readonly HeaderSet Present => ref _present;

    internal ref readonly HeaderList Others => ref _others;

    private void ForgetSlots(bool keepStrings)
    {
        if (_slots is null)
        {
            return;
        }

        // What is still pending holds a string that was found worth keeping before.
        HeaderSet made = keepStrings ? _present.Without(_pending) : _present;
        for (int i = made.Next(0); i >= 0; i = made.Next(i + 1))
        {
            if (!keepStrings || !HeaderStrings.IsWorthKeeping(_slots[i]))
            {
                _slots[i] = StringValues.Empty;
            }
        }

        HeaderSet stale = _kept.Without(_present);
        for (int i = stale.Next(0); i >= 0; i = stale.Next(i + 1))
        {
            _slots[i] = StringValues.Empty;
        }

        _kept = keepStrings ? _present : default;
    }

    private void BeginChange()
    {
        if (_isReadOnly)
        {
            HeaderErrors.ThrowReadOnly();
        }

        // A change before the first read must not be overwritten by the section when that is loaded.
        if (!Volatile.Read(ref _knownLoaded))
        {
            LoadKnown();
        }
    }

    private void LoadAll()
    {
        if (!Volatile.Read(ref _knownLoaded))
        {
            LoadKnown();
        }

        if (!Volatile.Read(ref _othersLoaded))
        {
            LoadOthers();
        }
    }

    // Two readers may both do it: they publish the same sets, and a value that is made twice is the same value.
    private void LoadKnown()
    {
        HeaderSet known = FindKnown(out long contentLength);
        Debug.Assert(contentLength >= 0);
        _contentLength = contentLength;
        _present = known;
        _pending = known;
        Volatile.Write(ref _knownLoaded, true);
    }

    private void LoadOthers()
    {
        lock (_loadingOthers)
        {
            if (!_othersLoaded)
            {
                if (_others.Count != 0)
                {
                    _others.Clear(keepStrings: false); // the application's encoding selector threw half-way
                }

                AppendOthers(ref _others);
                Volatile.Write(ref _othersLoaded, true);
            }
        }
    }

    private void MakePending(KnownHeader header)
    {
        Debug.Assert(_present.Contains(header));
        StringValues[] slots = Slots();
        StringValues previous = slots[(int)header];
        StringValues value = header == KnownHeader.ContentLength
            ? HeaderStrings.FormatLength(_contentLength, previous)
            : MakeValue(header, previous);
        Debug.Assert(value.Count != 0);
        slots[(int)header] = value;
        _pending.RemoveShared(header); // fenced: who sees the bit gone sees the value
    }

    private StringValues[] Slots()
    {
        StringValues[]? slots = Volatile.Read(ref _slots);
        if (slots is not null)
        {
            return slots;
        }

        Debug.Assert(SlotCount == KnownHeaders.Count + 1);
        slots = new StringValues[SlotCount];
        return Interlocked.CompareExchange(ref _slots, slots, null) ?? slots;
    }

    private void StoreKnown(KnownHeader header, StringValues value)
    {
        Debug.Assert(header != KnownHeader.ContentLength);
        Slots()[(int)header] = value;
        _present.Add(header);
        _pending.Remove(header);
    }

    private void RemoveKnown(KnownHeader header)
    {
        if (_present.Contains(header))
        {
            _present.Remove(header);
            _pending.Remove(header);
            Slots()[(int)header] = StringValues.Empty;
        }
    }

    private void StoreChecked(KnownHeader header, StringValues value)
    {
        if (header != KnownHeader.ContentLength)
        {
            StoreKnown(header, value);
            return;
        }

        string text = value.ToString();
        if (!HeaderStrings.TryParseLength(text, out long length))
        {
            RefuseContentLength(text);
        }

        StoreContentLength(length);
    }
}
