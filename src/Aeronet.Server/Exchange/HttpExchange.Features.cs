using System;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Features.Authentication;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

#pragma warning disable CA2252 // IHttpWebTransportFeature is a preview interface; see HttpExchange.Connection

namespace Aeronet.Server.Exchange;

// The feature collection: fixed slots, a list for the rest, then the connection's features.
internal abstract partial class HttpExchange : IFeatureCollection, IRouteValuesFeature, IEndpointFeature
{
    // Slots up to here hold the exchange itself unless the application replaced or hid the feature; those above start empty.
    private const int OwnSlotCount = 20;
    private const int RequestSlot = 0;
    private const int ResponseSlot = 1;
    private const int ResponseBodySlot = 2;
    private const int EndpointSlot = 3;
    private const int RouteValuesSlot = 4;
    private const int LifetimeSlot = 5;
    private const int MaxRequestBodySizeSlot = 10;
    private const int PersistentStateSlot = 20;

    // Hot first: the order in which hosting, routing and a plain endpoint ask. The index is the slot.
    private static readonly Type[] s_slots =
    [
        typeof(IHttpRequestFeature),
        typeof(IHttpResponseFeature),
        typeof(IHttpResponseBodyFeature),
        typeof(IEndpointFeature),
        typeof(IRouteValuesFeature),
        typeof(IHttpRequestLifetimeFeature),
        typeof(IHttpConnectionFeature),
        typeof(IHttpRequestIdentifierFeature),
        typeof(IRequestBodyPipeFeature),
        typeof(IHttpRequestBodyDetectionFeature),
        typeof(IHttpMaxRequestBodySizeFeature),
        typeof(IHttpBodyControlFeature),
        typeof(IHttpUpgradeFeature),
        typeof(IHttpExtendedConnectFeature),
        typeof(IHttpRequestTrailersFeature),
        typeof(IHttpResponseTrailersFeature),
        typeof(IHttpMinRequestBodyDataRateFeature),
        typeof(IHttpMinResponseDataRateFeature),
        typeof(IBadRequestExceptionFeature),
        typeof(IHttpWebTransportFeature),
        typeof(IPersistentStateFeature),
        typeof(IServiceProvidersFeature),
        typeof(IItemsFeature),
        typeof(IQueryFeature),
        typeof(IFormFeature),
        typeof(IHttpAuthenticationFeature),
        typeof(IResponseCookiesFeature),
        typeof(ISessionFeature),
        typeof(IHttpActivityFeature),
        typeof(IHttpMetricsTagsFeature),
        typeof(IHttpWebSocketFeature),
        typeof(Microsoft.AspNetCore.Http.Timeouts.IHttpRequestTimeoutFeature),
    ];

    private readonly object?[] _slots = new object?[s_slots.Length];
    private uint _changedSlots;                          // bit per slot that differs from its start value
    private List<KeyValuePair<Type, object>>? _extra;    // features without a slot
    private int _revision;
    private Endpoint? _endpoint;
    private RouteValueDictionary? _routeValues;

    bool IFeatureCollection.IsReadOnly => false;

    int IFeatureCollection.Revision => _revision;

    object? IFeatureCollection.this[Type key]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(key);
            return Find(key);
        }

        set
        {
            ArgumentNullException.ThrowIfNull(key);
            Store(key, value);
        }
    }

    public TFeature? Get<TFeature>()
    {
        // The hot ones without a Type object, a search and a cast: every request asks for eight or nine of them.
        int slot = HotSlot<TFeature>();
        if (slot >= 0 && _slots[slot] is { } hot)
        {
            return Unsafe.As<object, TFeature>(ref hot); // of the slot's type: Store has seen to that
        }

        return (TFeature?)Find(typeof(TFeature));
    }

    public void Set<TFeature>(TFeature? instance) => Store(typeof(TFeature), instance);

    Endpoint? IEndpointFeature.Endpoint
    {
        get => _endpoint;
        set
        {
            _endpoint = value;
            if (_load is not null && value is not null)
            {
                OnEndpoint(value);
            }
        }
    }

    RouteValueDictionary IRouteValuesFeature.RouteValues
    {
        get => _routeValues ??= [];
        set => _routeValues = value;
    }

    IEnumerator<KeyValuePair<Type, object>> IEnumerable<KeyValuePair<Type, object>>.GetEnumerator() => EnumerateFeatures();

    IEnumerator IEnumerable.GetEnumerator() => EnumerateFeatures();

    private object? Find(Type key)
    {
        int slot = SlotOf(key);
        object? found = slot >= 0 ? Slot(slot) : FindExtra(key);
        return found ?? Session.Connection.FindFeature(key);
    }

    private object? Slot(int slot)
    {
        if (slot == PersistentStateSlot && (_changedSlots & (1u << slot)) == 0)
        {
            return Session.Connection.Features[typeof(IPersistentStateFeature)]; // the connection's own: it outlives the request
        }

        return _slots[slot];
    }

    private void Store(Type key, object? value)
    {
        _revision++;
        int slot = SlotOf(key);
        if (slot >= 0)
        {
            ThrowIfOfAnotherType(key, value);
            _slots[slot] = value;
            _changedSlots |= 1u << slot;
            return;
        }

        _extra ??= [];
        for (int i = 0; i < _extra.Count; i++)
        {
            if (_extra[i].Key == key)
            {
                if (value is null)
                {
                    _extra.RemoveAt(i);
                }
                else
                {
                    _extra[i] = KeyValuePair.Create(key, value);
                }

                return;
            }
        }

        if (value is not null)
        {
            _extra.Add(KeyValuePair.Create(key, value));
        }
    }

    // As on Kestrel, where the field that keeps a known feature has its type.
    private static void ThrowIfOfAnotherType(Type key, object? value)
    {
        if (value is not null && !key.IsInstanceOfType(value))
        {
            throw new InvalidCastException($"A {value.GetType().FullName} is no {key.FullName} and cannot be set as that feature.");
        }
    }

    private object? FindExtra(Type key)
    {
        if (_extra is not null)
        {
            foreach (KeyValuePair<Type, object> extra in _extra)
            {
                if (extra.Key == key)
                {
                    return extra.Value;
                }
            }
        }

        return null;
    }

    // A linear search over references: the hot ones are found within a few compares, cheaper than any hash.
    private static int SlotOf(Type key)
    {
        Type[] slots = s_slots;
        for (int i = 0; i < slots.Length; i++)
        {
            if (ReferenceEquals(slots[i], key))
            {
                return i;
            }
        }

        return -1;
    }

    // Comparing type parameters is comparing handles.
    private static int HotSlot<TFeature>()
        => typeof(TFeature) == typeof(IHttpRequestFeature) ? RequestSlot
        : typeof(TFeature) == typeof(IHttpResponseFeature) ? ResponseSlot
        : typeof(TFeature) == typeof(IHttpResponseBodyFeature) ? ResponseBodySlot
        : typeof(TFeature) == typeof(IEndpointFeature) ? EndpointSlot
        : typeof(TFeature) == typeof(IRouteValuesFeature) ? RouteValuesSlot
        : typeof(TFeature) == typeof(IHttpRequestLifetimeFeature) ? LifetimeSlot
        : typeof(TFeature) == typeof(IHttpMaxRequestBodySizeFeature) ? MaxRequestBodySizeSlot
        : -1;

    private void InitializeFeatures()
    {
        Debug.Assert(s_slots[RequestSlot] == typeof(IHttpRequestFeature));
        Debug.Assert(s_slots[ResponseSlot] == typeof(IHttpResponseFeature));
        Debug.Assert(s_slots[ResponseBodySlot] == typeof(IHttpResponseBodyFeature));
        Debug.Assert(s_slots[EndpointSlot] == typeof(IEndpointFeature));
        Debug.Assert(s_slots[RouteValuesSlot] == typeof(IRouteValuesFeature));
        Debug.Assert(s_slots[LifetimeSlot] == typeof(IHttpRequestLifetimeFeature));
        Debug.Assert(s_slots[MaxRequestBodySizeSlot] == typeof(IHttpMaxRequestBodySizeFeature));
        Debug.Assert(s_slots[PersistentStateSlot] == typeof(IPersistentStateFeature));
        _slots.AsSpan(0, OwnSlotCount).Fill(this);
    }

    private void ResetFeatures()
    {
        // Always, because caches of DefaultHttpContext hold features of the request that ended.
        _revision++;
        uint changed = _changedSlots;
        _changedSlots = 0;
        while (changed != 0)
        {
            int slot = System.Numerics.BitOperations.TrailingZeroCount(changed);
            changed &= changed - 1;
            _slots[slot] = slot < OwnSlotCount ? this : null;
        }

        _extra?.Clear();
        _endpoint = null;
        _routeValues?.Clear();
    }

    private IEnumerator<KeyValuePair<Type, object>> EnumerateFeatures()
    {
        for (int i = 0; i < _slots.Length; i++)
        {
            if (Slot(i) is { } feature)
            {
                yield return KeyValuePair.Create(s_slots[i], feature);
            }
        }

        if (_extra is not null)
        {
            foreach (KeyValuePair<Type, object> extra in _extra)
            {
                yield return extra;
            }
        }
    }
}
